"""A process that forks in the worst moment; run by ``test_fork`` as a program of its own.

Another thread holds every lock while the fork happens. Parent and child then say what they find,
one line each; a child that hangs ends itself with a traceback.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import sys
import threading
from typing import Any

from fastapi_hybrid_breaker import Circuit, CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.inside import lock_of

PATIENCE = 60.0
"""Seconds until a process counts as stuck."""

CONFIG = CircuitConfig(failure_threshold=2, success_threshold=1, recovery_timeout=10.0)


def fail(circuit: Circuit) -> None:
    try:
        circuit.call_sync(_broken)
    except ValueError:
        return


def _broken() -> None:
    raise ValueError


def trip(circuit: Circuit) -> None:
    while circuit.state != "OPEN":
        fail(circuit)


def admits(circuit: Circuit) -> bool:
    try:
        inside.admit(circuit)
    except CircuitOpenError:
        return False
    return True


def say(who: str, found: dict[str, object]) -> None:
    sys.stdout.write(f"{who} {json.dumps(found)}\n")
    sys.stdout.flush()


def main() -> None:
    clock = ManualClock()
    breaker = HybridBreaker(redis=None, defaults=CONFIG, clock=clock)
    full = HybridBreaker(redis=None, max_circuits=1, defaults=CONFIG, clock=clock)
    held = full.circuit("held")
    overflow = full.circuit("surplus")
    half, opened, closed = (breaker.circuit(key) for key in ("half", "opened", "closed"))
    trip(half)
    clock.advance(10.0)
    assert admits(half)
    trip(opened)
    fail(closed)
    changes: list[str] = []
    breaker.on_change(lambda change: changes.append(f"{change.key} {change.new}"))

    taken, done = threading.Event(), threading.Event()
    locks: list[Any] = [inside.lock_of_listeners(one) for one in (breaker, full)]
    locks += [lock_of(one) for one in (half, opened, closed, held, overflow)]
    locks += [inside.lock_of_registry(one) for one in (breaker, full)]

    def hold() -> None:
        for lock in locks:
            lock.acquire()
        taken.set()
        done.wait(PATIENCE)
        for lock in locks:
            lock.release()

    threading.Thread(target=hold).start()
    assert taken.wait(PATIENCE)
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        found: dict[str, object] = {
            "half admits": admits(half),
            "half": half.state,
            "opened": opened.stats().state,
            "closed failures": closed.stats().failures,
            "overflow admits": admits(overflow),
            "new": breaker.circuit("new").key,
            "known": sorted(one.key for one in breaker.circuits()),
        }
        fail(overflow)
        fail(closed)
        asyncio.run(breaker.reset("opened"))
        found["changes"] = changes
        say("child", found)
        os._exit(0)
    done.set()
    _, status = os.waitpid(child, 0)
    found = {
        "status": os.waitstatus_to_exitcode(status),
        "half admits": admits(half),
        "opened": opened.state,
        "closed failures": closed.stats().failures,
        "changes": changes,
    }
    say("parent", found)


if __name__ == "__main__":
    main()
