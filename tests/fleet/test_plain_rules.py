"""The table of what plain news calls for."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker import CircuitState
from fastapi_hybrid_breaker.core.news import Proposal
from fastapi_hybrid_breaker.fleet.plain import Verdict, weigh
from fastapi_hybrid_breaker.fleet.wire import Heard

NOW = 1_000_000.0


def verdict(
    says: str,
    ends_in: float,
    ours: str,
    remaining: float,
    *,
    is_live: bool = True,
    knows_opening: bool = False,
    server_now: float | None = NOW,
) -> str:
    heard = Heard(CircuitState(says), 1, 0, NOW + ends_in, 0, "", 0.0, plain=True)
    own = Proposal(3, CircuitState(ours), 1, 0, remaining, 5, "abcd")
    return weigh(
        heard,
        own,
        server_now=server_now,
        recovery_timeout=30.0,
        is_live=is_live,
        knows_opening=knows_opening,
    ).value


@pytest.mark.parametrize(
    ("says", "ends_in", "ours", "remaining", "wanted"),
    [
        ("CLOSED", 0, "CLOSED", 0, Verdict.NOTHING),
        ("HALF_OPEN", 0, "HALF_OPEN", 0, Verdict.NOTHING),
        ("OPEN", 20, "CLOSED", 0, Verdict.ADOPT),
        ("OPEN", -300, "HALF_OPEN", 0, Verdict.ADOPT),
        ("OPEN", 20, "OPEN", 20, Verdict.NOTHING),
        ("OPEN", 20.9, "OPEN", 20, Verdict.NOTHING),
        ("OPEN", 28, "OPEN", 20, Verdict.ADOPT),
        ("OPEN", 320, "OPEN", 20, Verdict.NOTHING),
        ("OPEN", 320, "OPEN", 0, Verdict.ADOPT),
        ("OPEN", -300, "OPEN", 0, Verdict.NOTHING),
        ("CLOSED", 0, "OPEN", 20, Verdict.REASSERT),
        ("CLOSED", 0, "OPEN", 0, Verdict.ADOPT),
        ("CLOSED", 0, "HALF_OPEN", 0, Verdict.ADOPT),
        ("HALF_OPEN", 0, "OPEN", 20, Verdict.REASSERT),
        ("HALF_OPEN", 0, "CLOSED", 0, Verdict.ADOPT),
    ],
)
def test_live_news(says: str, ends_in: float, ours: str, remaining: float, wanted: Verdict) -> None:
    assert verdict(says, ends_in, ours, remaining) == wanted.value


def test_who_knows_of_an_opening_may_end_it() -> None:
    assert verdict("CLOSED", 0, "OPEN", 20, knows_opening=True) == Verdict.ADOPT.value


def test_long_opening_in_a_hash_is_believed() -> None:
    assert verdict("OPEN", 320, "OPEN", 20, is_live=False) == Verdict.ADOPT.value


def test_without_the_servers_time_an_opening_is_taken_for_the_one_we_know() -> None:
    assert verdict("OPEN", 28, "OPEN", 20, server_now=None) == Verdict.NOTHING.value
