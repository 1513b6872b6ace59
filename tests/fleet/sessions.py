"""How the tests reach what is inside of the exchange with the fleet: what moves is mended here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker.fleet.quorum_votes import QuorumVotes
from tests import inside

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    import pytest

    from fastapi_hybrid_breaker import Circuit, HybridBreaker
    from fastapi_hybrid_breaker.fleet.connection import Source
    from fastapi_hybrid_breaker.fleet.exchange import Exchange
    from fastapi_hybrid_breaker.fleet.session import Session
    from fastapi_hybrid_breaker.fleet.supervised import Supervised
    from fastapi_hybrid_breaker.fleet.unhealthy import UnhealthyCircuits
    from fastapi_hybrid_breaker.fleet.until import Until

    from .server import Server


def current_session(breaker: HybridBreaker) -> Session | None:
    return inside.sync_of(breaker)._session


def session_of(breaker: HybridBreaker) -> Session:
    session = current_session(breaker)
    assert session is not None, "not started"
    return session


def wake(session: Session) -> None:
    """Make the sender look now at what there is to send."""
    session._sender.wake()


async def drained(session: Session) -> None:
    await session._sender.drained()


def senders_of(session: Session) -> tuple[Any, Any]:
    """Return what sends and what listens, for a test that replaces one of their methods."""
    return session._sender, session._listener


def count_failures(session: Session, counted: Any) -> None:
    for one in senders_of(session):
        one._failed = counted


def set_last_look(session: Session, at: float) -> None:
    """Make the subscriber believe that its loop was last alive then."""
    session._listener.looked_at = at


def tasks_of(session: Session) -> list[Supervised]:
    return list(session._tasks)


def asyncio_task_of(supervised: Supervised) -> asyncio.Task[None] | None:
    return supervised._task


def set_next_heartbeat(exchange: Exchange, due: float | None) -> None:
    """Send the next heartbeat then; None: no other than those that are asked for."""
    exchange.own.schedule.drop("heartbeat", "")
    if due is not None:
        exchange.own.schedule.note("heartbeat", "", due)


def posts_of(exchange: Exchange) -> Any:
    """Return what waits to ask for a lease, by key."""
    return exchange.leases._posts


def waiting_time_of(exchange: Exchange, circuit: Circuit) -> float:
    """Return the seconds for which this instance lets others ask first for a lease."""
    return exchange.leases._turn(circuit)


def reread_only(exchange: Exchange, *keys: str) -> None:
    """Let no other circuit be read again with all the others."""
    exchange.rereading._pass = list(keys)


def replace_rereading_of_changes(exchange: Exchange, what: Any) -> None:
    exchange.rereading._changed = what


def set_report_every(exchange: Exchange, seconds: float) -> None:
    exchange.own.report_every = seconds


def jitter_of(exchange: Exchange) -> Any:
    """Return the random numbers by which reports are spread."""
    return exchange.own.random


def note_report(exchange: Exchange, key: str) -> None:
    """Report a circuit at once."""
    exchange.own.schedule.note("report", key, 0.0)


def replace_report(exchange: Exchange, report: Any) -> None:
    exchange.merger._report = report  # type: ignore[method-assign]


def report_number(exchange: Exchange) -> int:
    return exchange.merger._number


def set_report_number(exchange: Exchange, number: int) -> None:
    exchange.merger._number = number


def is_confirmation_planned(exchange: Exchange, key: str) -> bool:
    return exchange.own.schedule.due_of("confirm", key) is not None


def confirmation_of(exchange: Exchange, circuit: Circuit) -> Any:
    """Return the request that would open the circuit for all."""
    return exchange.merger._confirmation(circuit)


def collecting_of(exchange: Exchange) -> Any:
    return exchange.merger._hot


def commands_of(exchange: Exchange) -> Any:
    return exchange.circuits._commands


def failures_of_basic_clients(session: Session) -> Any:
    return session.exchange.inbox.basic_clients._failures


def set_clock_of_held_overrides(breaker: HybridBreaker, clock: Any) -> None:
    inside.registry_of(breaker).held._clock = clock


def replace_credentials(source: Source, make: Callable[[Any], Any]) -> None:
    """Look credentials up by another object, made of the threads for it."""
    source._credentials = make(source._aside)


def watched_by(troubles: UnhealthyCircuits) -> Any:
    return troubles._watched


def times_of(until: Until) -> Any:
    return until._times


def count_no_votes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuorumVotes, "_count", lambda *_: None)


def subscribed_since(breaker: HybridBreaker) -> float:
    """Return from when on messages come, in the server's epoch seconds."""
    since = inside.sync_of(breaker).lag._since
    assert since is not None, "not subscribed"
    return since


def time_of(server: Server) -> float:
    """Return the server's time in epoch seconds."""
    seconds, microseconds = server.ask.time()
    return seconds + microseconds / 1e6
