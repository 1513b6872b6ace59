"""What users give is refused beyond its range, and taken at its ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker.core.checks import (
    DAY,
    check_between,
    check_count,
    check_seconds,
    check_share,
    check_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def taken(check: Callable[..., object], value: object, **more: Any) -> bool:
    try:
        check("field", value, **more)
    except ValueError as error:
        assert repr(value)[:100] in str(error)
        return False
    return True


def test_a_count_reaches_from_1_to_its_most() -> None:
    assert [taken(check_count, one) for one in (0, 1, 1_000_000, 1_000_001)] == [
        *(False, True, True, False)
    ]
    assert [taken(check_count, one, most=3) for one in (-1, 1, 3, 4)] == [False, True, True, False]


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None])
def test_a_count_is_a_whole_number_and_no_bool(value: object) -> None:
    with pytest.raises(TypeError, match="field must be a whole number from 1 to 1000000, not"):
        check_count("field", value)


def test_seconds_are_above_0_and_a_day_at_most() -> None:
    assert [taken(check_seconds, one) for one in (0, 0.0, 1e-9, 1, DAY, DAY + 0.1)] == [
        *(False, False, True, True, True, False)
    ]
    assert taken(check_seconds, DAY + 1, most=DAY + 1)
    with pytest.raises(ValueError, match="above 0 and at most 86400, not nan"):
        check_seconds("field", float("nan"))


def test_a_share_is_above_0_and_1_at_most() -> None:
    assert [taken(check_share, one) for one in (0.0, 0.01, 1, 1.0, 1.01)] == [
        *(False, True, True, True, False)
    ]


@pytest.mark.parametrize("check", [check_seconds, check_share])
@pytest.mark.parametrize("value", [True, "1", None])
def test_a_number_is_no_bool_and_no_text(check: Callable[..., None], value: object) -> None:
    with pytest.raises(TypeError):
        check("field", value)


def test_a_text_has_its_length_and_is_printable() -> None:
    assert [taken(check_text, "x" * length) for length in (0, 1, 200, 201)] == [
        *(False, True, True, False)
    ]
    bounds = {"least": 2, "most": 3}
    assert [taken(check_text, "x" * length, **bounds) for length in (1, 2, 3, 4)] == [
        *(False, True, True, False)
    ]
    assert taken(check_text, "", least=0)
    assert not taken(check_text, "a\nb")
    assert check_text("field", "ann") == "ann"
    with pytest.raises(TypeError, match="field must be text of 1 to 200 printable characters"):
        check_text("field", 5)


def test_a_range_may_be_open_or_closed_at_each_end() -> None:
    def within(value: float, **bounds: float) -> bool:
        try:
            check_between(value, "wanted", **bounds)
        except ValueError:
            return False
        return True

    assert [within(one, above=1, below=3) for one in (1, 1.1, 2.9, 3)] == [
        *(False, True, True, False)
    ]
    assert [within(one, least=1, most=3) for one in (0.9, 1, 3, 3.1)] == [
        *(False, True, True, False)
    ]
    assert within(1e300)
    assert not within(float("nan"))
