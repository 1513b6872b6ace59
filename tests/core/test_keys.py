"""Which keys name a circuit."""

from __future__ import annotations

from enum import Enum, StrEnum
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastapi_hybrid_breaker.core.keys import (
    LONGEST_KEY,
    check_key,
    check_namespace,
    is_key,
    overlaps_of,
)


class Named(str, Enum):  # noqa: UP042 - unlike a StrEnum it shows its own name in texts
    STOCK = "inventory-api"


class Plain(StrEnum):
    STOCK = "inventory-api"


@pytest.mark.parametrize(
    "key",
    [
        "inventory-api",
        "a",
        "orders/eu/v1",
        "/leading",
        "trailing/",
        "a b",
        "host:8080",
        "[::1]:80",
        "Bestände-ünïcode",
        "在庫",
        "🦊",
        "...",
        ".hidden",
        "a..b",
        "a-b/c",
        "a//b",
        "-",
        "*",
        "x" * LONGEST_KEY,
    ],
)
def test_may_name_a_circuit(key: str) -> None:
    assert check_key(key) == key
    assert is_key(key)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("", "1 to 256 characters"),
        ("x" * (LONGEST_KEY + 1), r"1 to 256 characters, not 'xxx.*\(257 characters\)'"),
        ("a\nb", "control characters"),
        ("a\x00", "control characters"),
        ("a\x7f", "control characters"),
        ("a\x9f", "control characters"),
        ("\ud800", "UTF-8"),
        (".", r"'\.' or '\.\.'"),
        ("..", r"'\.' or '\.\.'"),
        ("a/../b", r"'\.' or '\.\.'"),
        ("./a", r"'\.' or '\.\.'"),
        ("a/.", r"'\.' or '\.\.'"),
        ("-/a", "-/"),
        ("a/-/b", "-/"),
        ("a-/b", "-/"),
    ],
)
def test_names_no_circuit_and_why(key: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_key(key)
    assert not is_key(key)


@pytest.mark.parametrize("key", [None, 5, b"inventory-api", ["a"], object()])
def test_a_key_that_is_no_string(key: object) -> None:
    with pytest.raises(TypeError, match="key must be a string"):
        check_key(key)
    assert not is_key(key)


@pytest.mark.parametrize("key", [Named.STOCK, Plain.STOCK], ids=["mixed in", "StrEnum"])
def test_a_member_of_an_enum_of_strings_names_what_its_value_names(key: str) -> None:
    assert type(check_key(key)) is str
    assert f"{check_key(key)}" == "inventory-api"
    assert f"{check_namespace(key)}" == "inventory-api"


def test_a_huge_key_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ValueError, match="characters") as caught:
        check_key("x" * 1_000_000)
    assert len(str(caught.value)) < 200


@given(st.text(max_size=40))
@example("a/./b")
@example("%2e%2e")
def test_a_key_survives_the_ways_it_goes(key: str) -> None:
    """Percent-encoded in a path, as UTF-8 to Redis, on one line of a log."""
    if not is_key(key):
        return
    assert unquote(quote(key, safe="")) == key
    assert key.encode().decode() == key
    assert not {"\n", "\r", "\x1b", "\x00"} & set(key)
    assert not {".", ".."} & set(key.split("/"))
    assert "-/" not in key


@given(st.one_of(st.none(), st.integers(), st.binary(), st.text(), st.lists(st.text())))
def test_asking_whether_anything_is_a_key_never_raises(value: object) -> None:
    assert is_key(value) in {True, False}


@pytest.mark.parametrize("namespace", ["circuit", "shop:eu", "a/b", "größe", "x" * LONGEST_KEY])
def test_may_be_a_namespace(namespace: str) -> None:
    assert check_namespace(namespace) == namespace


@pytest.mark.parametrize(
    "namespace", ["", "{a}", "a}", "a#b", "a b", "a\n", "\u2028", "x" * (LONGEST_KEY + 1)]
)
def test_is_no_namespace(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace must have 1 to 256"):
        check_namespace(namespace)


def test_a_namespace_that_is_no_string() -> None:
    with pytest.raises(TypeError, match="namespace must be a string"):
        check_namespace(None)


@pytest.mark.parametrize(
    ("namespace", "outer", "there"),
    [
        ("prod:eu", "'prod'", "'eu:x'"),
        ("a:b:c", "'a'", "'b:c:x'"),
        ("prod:", "'prod'", "':x'"),
        (":", "a colon", "'.'"),
    ],
)
def test_a_namespace_that_overlaps_with_another_one_was_silent(
    namespace: str, outer: str, there: str
) -> None:
    (note,) = overlaps_of(check_namespace(namespace))
    assert repr(namespace) in note
    assert outer in note
    assert there in note
    assert "1.0" in note


@pytest.mark.parametrize("namespace", ["circuit", "prod.eu", "prod-eu", "a/b", "büro"])
def test_other_namespaces_overlap_with_none(namespace: str) -> None:
    assert overlaps_of(check_namespace(namespace)) == []


def test_a_key_of_the_longest_size_is_shown_whole_where_it_is_refused() -> None:
    key = "x" * (LONGEST_KEY - 1) + "\n"
    with pytest.raises(ValueError, match="control characters") as refusal:
        check_key(key)
    assert repr(key) in str(refusal.value)
