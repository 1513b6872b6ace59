"""Without a reader a guarded call does what it does without telemetry: counted, not timed."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from fastapi_hybrid_breaker import Circuit, CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.telemetry import instrument
from tests import inside
from tests.circuits.parts import BrokenError, broken_sync, trip

from .collected import Collected

NOTHING: dict[str, Callable[[], Any]] = {
    "the application set no provider": lambda: None,
    "a provider of the API that does nothing": metrics.NoOpMeterProvider,
    "the SDK without an exporter": MeterProvider,
}


def steps(fn: Callable[[], object]) -> list[str]:
    """The Python and C functions that a call runs through, in their order."""
    found: list[str] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            found.append(frame.f_code.co_qualname)
        elif event == "c_call":
            found.append(argument.__qualname__)

    sys.setprofile(note)
    try:
        fn()
    except (BrokenError, CircuitOpenError):
        pass
    finally:
        sys.setprofile(None)
    return found


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Let no finalizer of whatever else there is add to the steps of a call."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def drive(coroutine: Any) -> None:
    with pytest.raises(StopIteration):
        coroutine.send(None)


async def fine() -> None: ...


def all_steps(circuit: Circuit) -> list[list[str]]:
    """Those of each kind of call: good, bad, rejected, in each way to call."""

    def guard() -> None:
        with circuit.guard():
            pass

    ways = [
        lambda: circuit.call_sync(int),
        lambda: drive(circuit.call(fine)),
        lambda: drive(circuit.execute(fine)),
        guard,
        lambda: circuit.call_sync(broken_sync),
    ]
    found = [steps(way) for way in ways]
    trip(circuit)
    return [*found, steps(ways[0]), steps(guard)]


@pytest.mark.parametrize("provider", NOTHING.values(), ids=NOTHING)
def test_nothing_is_attached_when_nobody_reads(provider: Callable[[], Any]) -> None:
    config = CircuitConfig(failure_threshold=3)
    plain = HybridBreaker(redis=None, defaults=config)
    all_steps(plain.circuit("first"))  # whatever a process makes once
    expected = all_steps(plain.circuit("k"))
    breaker = HybridBreaker(redis=None, defaults=config)
    before = breaker.circuit("before")
    undo = instrument(breaker, meter_provider=provider())
    after = breaker.circuit("after")
    for circuit in (before, after):
        assert inside.observer_of(circuit) is None
        assert not inside.of(circuit).timed
        assert not inside.of(circuit).counts_successes
        assert inside.of(circuit).free_permit is not None
        assert all_steps(circuit) == expected
    undo()


def test_the_steps_are_more_with_a_reader(breaker: HybridBreaker) -> None:
    plain = HybridBreaker(redis=None, defaults=CircuitConfig(failure_threshold=3))
    for with_it, without in zip(
        all_steps(breaker.circuit("stock")), all_steps(plain.circuit("stock")), strict=True
    ):
        assert len(with_it) > len(without)


def test_a_reader_that_is_added_later_finds_the_circuits() -> None:
    provider = MeterProvider()
    breaker = HybridBreaker(redis=None, circuits={"stock": CircuitConfig()})
    circuit = breaker.circuit("stock")
    undo = instrument(breaker, meter_provider=provider)
    reader = InMemoryMetricReader()
    provider.add_metric_reader(reader)
    circuit.call_sync(int)
    assert Collected(reader).value("state", key="stock", state="closed") == 1
    circuit.call_sync(int)
    assert Collected(reader).calls() == {"success": 1}  # from the first collection on
    undo()
    provider.shutdown()


@pytest.mark.parametrize("moment", ["made", "changed", "collected"])
def test_a_provider_that_is_set_later_is_found(moment: str) -> None:
    """Importing an application comes before setting up telemetry, in many of them."""
    script = f"""
import logging
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.telemetry import instrument
from tests import inside
from tests.telemetry.collected import Collected

logging.getLogger("fastapi_hybrid_breaker").addHandler(logging.NullHandler())
names = ("stock", "search")
breaker = HybridBreaker(redis=None, circuits=dict.fromkeys(names, CircuitConfig()))
circuit = breaker.circuit("stock")
undo = instrument(breaker)
assert inside.observer_of(circuit) is None
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
if {moment!r} == "made":
    breaker.circuit("search").call_sync(int)
elif {moment!r} == "changed":
    inside.open_here(circuit, 60.0)
    inside.reset_here(circuit)
else:
    Collected(reader)
circuit.call_sync(int)
found = Collected(reader)
assert found.value("calls", key="stock") == 1, found.metrics
assert found.value("state", state="closed") == 2, found.metrics
undo()
again = instrument(breaker)
circuit.call_sync(int)
found = Collected(reader)
assert found.value("calls", key="stock") == 2, found.metrics
assert found.value("state", state="closed") == 2, found.metrics
print("fine")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_the_library_itself_needs_no_telemetry() -> None:
    script = (
        "import sys, fastapi_hybrid_breaker\n"
        "assert 'fastapi_hybrid_breaker.telemetry' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
