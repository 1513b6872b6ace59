"""Events on the current span."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from fastapi_hybrid_breaker import Circuit, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.telemetry import instrument
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.circuits.parts import trip
from tests.fleet.instances import fail, fleet, until
from tests.fleet.server import Server


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans: InMemorySpanExporter) -> Iterator[Any]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    yield provider.get_tracer("test")
    provider.shutdown()


def events(spans: InMemorySpanExporter) -> list[tuple[str, dict[str, Any]]]:
    return [
        (event.name, dict(event.attributes or {}))
        for span in spans.get_finished_spans()
        for event in span.events
    ]


def test_a_rejection_is_told_to_the_span_it_happened_in(
    breaker: HybridBreaker, tracer: Any, spans: InMemorySpanExporter
) -> None:
    circuit = breaker.circuit("host:a")
    trip(circuit)
    with tracer.start_as_current_span("outer"), pytest.raises(CircuitOpenError):
        with tracer.start_as_current_span("call"):
            circuit.call_sync(int)
    call, outer = spans.get_finished_spans()
    assert [event.name for event in call.events] == ["circuit_breaker.rejected", "exception"]
    assert not outer.events
    assert events(spans)[0] == (
        "circuit_breaker.rejected",
        # The key itself: events are no series.
        {"circuit_breaker.key": "host:a", "circuit_breaker.retry_after": 10.0},
    )


def test_changes_within_a_call_are_told(
    circuit: Circuit, clock: ManualClock, tracer: Any, spans: InMemorySpanExporter
) -> None:
    with tracer.start_as_current_span("outer"):
        trip(circuit)
        clock.advance(10.0)
        circuit.call_sync(int)
    names = [name for name, _ in events(spans)]
    assert names == ["circuit_breaker.changed"] * 3
    opened = events(spans)[0][1]
    assert opened == {
        "circuit_breaker.key": "stock",
        "circuit_breaker.change.old": "closed",
        "circuit_breaker.change.new": "open",
        "circuit_breaker.change.cause": "failures",
    }


def test_a_span_that_does_not_record_is_told_nothing(
    circuit: Circuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("test")
    with tracer.start_as_current_span("outer") as span:
        told: list[object] = []
        monkeypatch.setattr(span, "add_event", lambda *about: told.append(about))
        trip(circuit)
        with pytest.raises(CircuitOpenError):
            circuit.call_sync(int)
    assert told == []


def test_a_span_that_fails_harms_no_call(
    circuit: Circuit,
    tracer: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with tracer.start_as_current_span("outer") as span:

        def fail(*_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(span, "add_event", fail)
        trip(circuit)
        with pytest.raises(CircuitOpenError):
            circuit.call_sync(int)
    assert "measuring circuits failed" in caplog.text


def test_in_a_thread_without_a_span_nothing_is_told(
    circuit: Circuit, tracer: Any, spans: InMemorySpanExporter
) -> None:
    with tracer.start_as_current_span("outer"):
        thread = threading.Thread(target=trip, args=(circuit,))
        thread.start()
        thread.join()
    assert circuit.state == "OPEN"
    assert events(spans) == []


async def test_news_of_the_fleet_is_not_told_to_whatever_started_the_breaker(
    server: Server, provider: Any, tracer: Any, spans: InMemorySpanExporter
) -> None:
    with tracer.start_as_current_span("the whole life of a worker"):
        async with fleet(server) as (here, there):
            undo = instrument(here, meter_provider=provider)
            here.circuit("db")
            await fail(there, "db")
            await until(lambda: here.state("db") == "OPEN")
            undo()
    assert events(spans) == []


async def test_in_a_fleet_a_change_names_who_decided(
    server: Server, provider: Any, tracer: Any, spans: InMemorySpanExporter
) -> None:
    async with fleet(server, size=1) as (here,):
        undo = instrument(here, meter_provider=provider)
        with tracer.start_as_current_span("call"):
            await fail(here, "db")
        undo()
        ((_, told),) = events(spans)
        assert told["circuit_breaker.instance"] == inside.sync_of(here).instance != ""


async def test_each_task_tells_its_own_span(
    circuit: Circuit, tracer: Any, spans: InMemorySpanExporter
) -> None:
    trip(circuit)

    async def task(name: str) -> None:
        with tracer.start_as_current_span(name):
            await asyncio.sleep(0)
            with pytest.raises(CircuitOpenError):
                circuit.call_sync(int)

    await asyncio.gather(*(task(name) for name in "abc"))
    assert [len(span.events) for span in spans.get_finished_spans()] == [1, 1, 1]


def test_traces_alone_are_enough(clock: ManualClock) -> None:
    script = """
import logging
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from fastapi_hybrid_breaker import CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.telemetry import instrument
from fastapi_hybrid_breaker.testing import open_circuit
from tests import inside

logging.getLogger("fastapi_hybrid_breaker").addHandler(logging.NullHandler())
breaker = HybridBreaker(redis=None)
circuit = breaker.circuit("stock")
instrument(breaker)
trace.set_tracer_provider(TracerProvider())  # only now
with open_circuit(breaker, "stock"), trace.get_tracer("x").start_as_current_span("call") as span:
    try:
        circuit.call_sync(int)
    except CircuitOpenError:
        print([event.name for event in span.events])
assert not inside.of(circuit).timed  # nobody counts calls
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("['circuit_breaker.rejected']\n", "")
