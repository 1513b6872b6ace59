"""The order of versions, and what lies too far ahead."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker.core.versions import NO_HORIZON, Newest, horizon_at, is_newer


def test_the_horizon_is_a_day_beyond_the_servers_clock() -> None:
    assert horizon_at(None) == NO_HORIZON
    assert horizon_at(0.0) == 86_400_000_000
    assert horizon_at(1.5) == 86_401_500_000


@pytest.mark.parametrize(
    ("one", "than", "newer"),
    [
        ((2, "a"), (1, "z"), True),
        ((1, "z"), (2, "a"), False),
        ((1, "b"), (1, "a"), True),
        ((1, "a"), (1, "b"), False),
        ((1, "a"), (1, "a"), False),
        ((1, "a"), (0, ""), True),
        ((0, "z"), (1, "a"), False),
        ((10, "a"), (9, "z"), True),
        ((11, "a"), (1, "a"), False),  # beyond the horizon: before all others
        ((1, "a"), (11, "a"), True),
        ((12, "a"), (11, "z"), True),
        ((11, "z"), (12, "a"), False),
    ],
)
def test_of_two_versions_one_is_newer(
    one: tuple[int, str], than: tuple[int, str], *, newer: bool
) -> None:
    assert is_newer(one, than, 10.0) is newer


def test_the_highest_that_was_seen_counts_while_it_is_not_too_far_ahead() -> None:
    newest = Newest()
    assert newest.within(10.0) == 0
    for version, horizon, expected in (
        (5, 10.0, 5),
        (4, 10.0, 5),
        (10, 10.0, 10),
        (11, 10.0, 10),
        (12, 12.0, 12),
        (3, 10.0, 3),  # the clock was set back: what was seen gives way
    ):
        newest.note(version, horizon)
        assert newest.within(horizon) == expected
    newest.note(10, 10.0)
    assert (newest.within(10.0), newest.within(9.9)) == (10, 0)
