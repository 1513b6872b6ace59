"""A process that forks while other threads measure; run by ``test_fork.py`` as a program.

One thread is in the middle of giving a circuit its label, another in the middle of making the
instruments of a provider. A child that waits for either ends itself with a traceback.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.telemetry import instrument

PATIENCE = 10.0

done = threading.Event()
inside: dict[str, threading.Event] = {"label": threading.Event(), "meter": threading.Event()}


def stay(where: str) -> None:
    if threading.current_thread() is not threading.main_thread():
        inside[where].set()
        done.wait(PATIENCE)


class SlowLabel(str):
    __slots__ = ()

    def __hash__(self) -> int:
        stay("label")
        return super().__hash__()


class SlowProvider(MeterProvider):
    def get_meter(self, *args: Any, **kwargs: Any) -> Any:
        stay("meter")
        return super().get_meter(*args, **kwargs)


def measured(provider: MeterProvider, **options: Any) -> HybridBreaker:
    breaker = HybridBreaker(redis=None)
    instrument(breaker, meter_provider=provider, **options)
    return breaker


def main(where: str) -> None:
    breaker = measured(MeterProvider([InMemoryMetricReader()]), key=SlowLabel)
    work = {
        "label": lambda: breaker.circuit("parent").call_sync(int),
        "meter": lambda: measured(SlowProvider([InMemoryMetricReader()])),
    }
    thread = threading.Thread(target=work[where])
    thread.start()
    assert inside[where].wait(PATIENCE)
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        breaker.circuit("child").call_sync(int)
        measured(MeterProvider([InMemoryMetricReader()])).circuit("other").call_sync(int)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    done.set()
    thread.join()
    os._exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(sys.argv[1])
