"""What guarded calls hand to the fleet's part: from any thread, taken in on its event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.fleet.incoming import _MOST_AT_ONCE, Incoming
from tests import inside

from .instances import fail, fleet, settled, until
from .sessions import session_of

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"


class Inbox:
    """An ``Incoming`` on the running loop, and what became of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wakings = self.times = 0
        self.failed: list[str] = []
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe

        def count(*args: Any, **kwargs: Any) -> Any:
            self.wakings += 1
            return wake(*args, **kwargs)

        monkeypatch.setattr(loop, "call_soon_threadsafe", count)
        self.incoming = Incoming(loop, taken_in=self._taken_in, failed=self._failed)

    def _taken_in(self) -> None:
        self.times += 1

    def _failed(self, what: str, error: Exception) -> None:
        self.failed.append(f"{what}: {error}")


@pytest.fixture
async def inbox(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    return Inbox(monkeypatch)


async def test_the_loop_is_woken_once_however_much_comes_before_it_looks(inbox: Inbox) -> None:
    done: list[int] = []
    for number in range(100):
        inbox.incoming.put(lambda n=number: done.append(n))
    assert (inbox.wakings, done, len(inbox.incoming)) == (1, [], 100)
    await until(lambda: len(done) == 100)
    assert (done, inbox.times, len(inbox.incoming)) == (list(range(100)), 1, 0)
    inbox.incoming.put(lambda: done.append(100))
    await until(lambda: done[-1] == 100)
    assert (inbox.wakings, inbox.times) == (2, 2)


async def test_a_circuit_is_looked_at_once_for_all_that_happens_before(inbox: Inbox) -> None:
    breaker = HybridBreaker(redis=None)
    a, b = breaker.circuit("a"), breaker.circuit("b")
    seen: list[str] = []
    for _ in range(50):
        inbox.incoming.touch(a, "changed", lambda: seen.append("a"))
        inbox.incoming.touch(b, "changed", lambda: seen.append("b"))
        inbox.incoming.touch(a, "touched", lambda: seen.append("a touched"))
    await until(lambda: len(seen) == 3)
    assert seen == ["a", "b", "a touched"]
    inbox.incoming.touch(a, "changed", lambda: seen.append("again"))
    await until(lambda: seen[-1] == "again")


async def test_what_happens_amid_a_look_is_looked_at_afterwards(inbox: Inbox) -> None:
    circuit = HybridBreaker(redis=None).circuit("a")
    seen: list[str] = []

    def look() -> None:  # and a finalizer, say, comes back to the same circuit
        inbox.incoming.touch(circuit, "changed", lambda: seen.append("second"))
        seen.append("first")

    inbox.incoming.touch(circuit, "changed", look)
    await until(lambda: seen == ["first", "second"])


async def test_one_that_fails_costs_itself_alone(inbox: Inbox) -> None:
    done: list[str] = []
    inbox.incoming.put(lambda: done.append("before"))
    inbox.incoming.put(lambda: 1 // 0)
    inbox.incoming.put(lambda: done.append("after"))
    await until(lambda: len(done) == 2)
    assert inbox.failed == ["what a call has left: integer division or modulo by zero"]
    assert inbox.times == 1


async def test_others_have_their_turn_between_very_many(inbox: Inbox) -> None:
    done: list[int] = []
    turns: list[int] = []
    for number in range(2 * _MOST_AT_ONCE + 1):
        inbox.incoming.put(lambda n=number: done.append(n))
    while len(done) < 2 * _MOST_AT_ONCE + 1:
        await asyncio.sleep(0)
        turns.append(len(done))
    assert _MOST_AT_ONCE in turns


async def test_nothing_that_threads_put_is_lost(inbox: Inbox) -> None:
    done: list[tuple[int, int]] = []

    def work(thread: int) -> None:
        for number in range(2_000):
            inbox.incoming.put(lambda n=number: done.append((thread, n)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    await until(lambda: len(done) == 8_000)
    for thread in threads:
        thread.join()
    for number in range(4):
        assert [n for thread, n in done if thread == number] == list(range(2_000))


def test_a_loop_that_has_ended_costs_callers_nothing() -> None:
    loop = asyncio.new_event_loop()
    incoming = Incoming(loop, taken_in=lambda: None, failed=lambda what, error: None)
    loop.close()
    circuit = HybridBreaker(redis=None).circuit("a")
    for _ in range(1_000):
        incoming.touch(circuit, "changed", lambda: None)
    assert len(incoming) == 1


async def test_calls_rejected_before_the_opening_was_looked_at_are_among_those_that_are_measured(
    server: Server,
) -> None:
    config = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=0.3)
    async with fleet(server, 1, defaults=config) as (a,):
        circuit = a.circuit(KEY)
        await settled(a)
        await fail(a, KEY, times=1)
        for _ in range(1_000):  # at once: nothing has been looked at yet
            with pytest.raises(CircuitOpenError):
                circuit.call_sync(int)
        await until(lambda: inside.of(circuit).calls_per_second is not None)
        assert inside.of(circuit).calls_per_second > 100


async def test_a_defect_in_what_a_call_leaves_is_logged_and_counted(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(server) as (a, b):
        session = session_of(a)
        monkeypatch.setattr(session.exchange, "touched", lambda *about: 1 // 0)
        b.circuit(KEY)
        with caplog.at_level(logging.ERROR):
            await fail(a, KEY, times=2)
            await until(lambda: a.sync_status().dropped > 0)
        monkeypatch.undo()
        assert "internal error while sharing circuits" in caplog.text
        assert "ZeroDivisionError" in caplog.text
        await fail(a, KEY, times=1)
        await until(lambda: b.state(KEY) == "OPEN")
        assert a.sync_status().state == "connected"
