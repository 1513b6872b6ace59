"""How many instances must see trouble before all open."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import CircuitConfig
from fastapi_hybrid_breaker.core.quorum import check_quorum, votes_needed

MOST = 1_000_000

live = st.integers(1, 2_000)
counts = st.integers(1, MOST)
shares = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)


@pytest.mark.parametrize("value", [1, 2, MOST, 0.001, 0.5, 0.999])
def test_counts_and_shares_below_one_are_quorums(value: float) -> None:
    check_quorum(value)
    assert CircuitConfig(quorum=value).quorum == value


@pytest.mark.parametrize("value", [0, -1, MOST + 1, 0.0, -0.5, 1.0, 1.5, 2.0, inf, -inf, nan])
def test_a_quorum_out_of_range_is_refused_with_field_range_and_value(value: float) -> None:
    with pytest.raises(ValueError, match="quorum") as caught:
        CircuitConfig(quorum=value)
    assert_names_all(str(caught.value), value)


@pytest.mark.parametrize("value", ["2", None, True, False, [1], 1j, Fraction(1, 2)])
def test_a_quorum_of_another_type_is_refused_with_field_range_and_value(value: object) -> None:
    with pytest.raises(TypeError, match="quorum") as caught:
        CircuitConfig(quorum=value)  # type: ignore[arg-type]
    assert_names_all(str(caught.value), value)


def assert_names_all(text: str, value: object) -> None:
    assert re.search(r"from 1 to 1000000\b", text)
    assert "above 0 and below 1" in text
    assert f"not {value!r}" in text


@pytest.mark.parametrize(
    ("quorum", "alive", "needed"),
    [
        (1, 1, 1),
        (1, 100, 1),
        (2, 100, 2),
        (2, 1, 1),  # all that live, where they are fewer
        (7, 5, 5),
        (MOST, 3, 3),
        (0.5, 1, 1),
        (0.5, 2, 1),
        (0.5, 3, 2),
        (0.3, 10, 3),
        (0.1, 10, 1),
        (0.1, 11, 2),
        (0.7, 10, 7),
        (1 / 3, 3, 1),
        (2 / 3, 3, 2),
        (0.999, 10, 10),
        (0.001, 3, 1),
        (1e-12, 10, 1),
        (0.29, 100, 29),
        (0.07, 100, 7),
        (2, 0, 1),  # this process lives, whatever it was told
        (0.5, -1, 1),
    ],
)
def test_votes_needed(quorum: float, alive: int, needed: int) -> None:
    assert votes_needed(quorum, alive) == needed


@given(counts | shares, live)
def test_at_least_one_vote_is_needed_and_all_that_live_are_enough(
    quorum: float, alive: int
) -> None:
    needed = votes_needed(quorum, alive)
    assert type(needed) is int
    assert 1 <= needed <= alive


@given(st.integers(1, 999), st.integers(1, 1_000))
def test_a_share_is_rounded_up_and_not_by_the_rounding_of_floats(
    thousandths: int, alive: int
) -> None:
    exact = Fraction(thousandths, 1000) * alive
    assert votes_needed(thousandths / 1000, alive) == ceil(exact)


@given(st.integers(1, 60), st.integers(1, 60))
def test_the_share_that_n_of_m_are_needs_n(part: int, whole: int) -> None:
    if part < whole:
        assert votes_needed(part / whole, whole) == part


@given(counts | shares, live)
def test_more_instances_never_need_fewer_votes(quorum: float, alive: int) -> None:
    assert votes_needed(quorum, alive) <= votes_needed(quorum, alive + 1)
