"""The table of what plain news calls for."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker import CircuitState
from fastapi_hybrid_breaker.core.news import Proposal
from fastapi_hybrid_breaker.fleet.basic_format import Reaction, react
from fastapi_hybrid_breaker.fleet.shared_state import SharedState

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
    heard = SharedState(CircuitState(says), 1, 0, NOW + ends_in, is_basic=True)
    own = Proposal(3, CircuitState(ours), 1, 0, remaining, 5, "abcd")
    return react(
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
        ("CLOSED", 0, "CLOSED", 0, Reaction.IGNORE),
        ("HALF_OPEN", 0, "HALF_OPEN", 0, Reaction.IGNORE),
        ("OPEN", 20, "CLOSED", 0, Reaction.ADOPT),
        ("OPEN", -300, "HALF_OPEN", 0, Reaction.ADOPT),
        ("OPEN", 20, "OPEN", 20, Reaction.IGNORE),
        ("OPEN", 20.9, "OPEN", 20, Reaction.IGNORE),
        ("OPEN", 28, "OPEN", 20, Reaction.ADOPT),
        ("OPEN", 320, "OPEN", 20, Reaction.IGNORE),
        ("OPEN", 320, "OPEN", 0, Reaction.ADOPT),
        ("OPEN", -300, "OPEN", 0, Reaction.IGNORE),
        ("CLOSED", 0, "OPEN", 20, Reaction.REASSERT),
        ("CLOSED", 0, "OPEN", 0, Reaction.ADOPT),
        ("CLOSED", 0, "HALF_OPEN", 0, Reaction.ADOPT),
        ("HALF_OPEN", 0, "OPEN", 20, Reaction.REASSERT),
        ("HALF_OPEN", 0, "CLOSED", 0, Reaction.ADOPT),
    ],
)
def test_live_news(
    says: str, ends_in: float, ours: str, remaining: float, wanted: Reaction
) -> None:
    assert verdict(says, ends_in, ours, remaining) == wanted.value


def test_who_knows_of_an_opening_may_end_it() -> None:
    assert verdict("CLOSED", 0, "OPEN", 20, knows_opening=True) == Reaction.ADOPT.value


def test_long_opening_in_a_hash_is_believed() -> None:
    assert verdict("OPEN", 320, "OPEN", 20, is_live=False) == Reaction.ADOPT.value


def test_without_the_servers_time_an_opening_is_taken_for_the_one_we_know() -> None:
    assert verdict("OPEN", 28, "OPEN", 20, server_now=None) == Reaction.IGNORE.value
