"""What a circuit remembers and logs of its changes, and what strangers' code does to that."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, HybridBreaker
from tests import inside

from .parts import OPEN_TIME, BrokenError, broken_sync, fine_sync, let_probe, trip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker import StateChange
    from fastapi_hybrid_breaker.testing import ManualClock


def test_it_is_empty_at_first_and_keeps_the_order(circuit: Circuit, clock: ManualClock) -> None:
    assert circuit.history() == ()
    begun = time.time()
    let_probe(circuit, clock)
    for _ in range(2):
        circuit.call_sync(fine_sync)
    history = circuit.history()
    assert [(one.old, one.new, one.cause) for one in history] == [
        ("CLOSED", "OPEN", "failures"),
        ("OPEN", "HALF_OPEN", "timeout"),
        ("HALF_OPEN", "CLOSED", "probes_succeeded"),
    ]
    assert all(begun <= one.time <= time.time() and one.instance == "" for one in history)
    assert history[0].evidence.error == "BrokenError"
    assert history[2].evidence.successes == 2


def test_it_is_bounded(breaker: HybridBreaker) -> None:
    circuit = breaker.circuit("k", CircuitConfig(history_size=3))
    for _ in range(5):
        inside.open_here(circuit, OPEN_TIME)
        inside.reset_here(circuit)
    assert [one.cause for one in circuit.history()] == ["reset", "failures", "reset"]
    assert circuit.history()[-1].generation == 10


def test_listeners_get_what_is_remembered(breaker: HybridBreaker, circuit: Circuit) -> None:
    told: list[StateChange] = []
    breaker.on_change(told.append)
    trip(circuit)
    assert told[0] is circuit.history()[0]


def test_a_change_is_one_log_line_with_its_fields_and_a_call_is_none(
    circuit: Circuit, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "fastapi_hybrid_breaker"):
        for _ in range(10):
            circuit.call_sync(fine_sync)
        assert caplog.records == []
        let_probe(circuit, clock)
        circuit.call_sync(fine_sync)
    opened, probing = caplog.records
    assert (opened.levelname, probing.levelname) == ("WARNING", "INFO")
    fields = {name: value for name, value in vars(opened).items() if name.startswith("circuit_")}
    assert fields == {
        "circuit_key": "inventory-api",
        "circuit_old": "CLOSED",
        "circuit_new": "OPEN",
        "circuit_cause": "failures",
        "circuit_rule": "2 failures in a row",
        "circuit_failures": 2,
        "circuit_error": "BrokenError",
        "circuit_by": "",
        "circuit_reason": "",
        "circuit_instance": "",
    }


# -- strangers -------------------------------------------------------------------------------------


class DownHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise ConnectionError("the log server is down")


@pytest.fixture
def broken_logging() -> Iterator[None]:
    log, handler = logging.getLogger("fastapi_hybrid_breaker"), DownHandler()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield
    log.setLevel(level)
    log.removeHandler(handler)


@pytest.mark.usefixtures("broken_logging")
def test_a_log_handler_that_raises_neither_loses_a_probe_nor_hides_the_calls_own_error(
    circuit: Circuit, clock: ManualClock
) -> None:
    for _ in range(2):
        with pytest.raises(BrokenError):
            circuit.call_sync(broken_sync)
    clock.advance(OPEN_TIME)
    for _ in range(2):
        assert circuit.call_sync(fine_sync) == 1
    assert circuit.state == "CLOSED"


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
def test_a_listener_that_raises_does_not_come_between_a_call_and_its_caller(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock, error: type[BaseException]
) -> None:
    def raising(_: StateChange) -> None:
        raise error

    breaker.on_change(raising)
    let_probe(circuit, clock)
    assert circuit.call_sync(fine_sync) == 1


def test_a_listener_that_ends_the_program_leaves_no_probe_behind(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock
) -> None:
    let_probe(circuit, clock)

    def interrupting(_: StateChange) -> None:
        raise KeyboardInterrupt

    undo = breaker.on_change(interrupting)
    with pytest.raises(KeyboardInterrupt):
        circuit.call_sync(fine_sync)
    undo()
    assert inside.of(circuit).probes == []
    assert circuit.call_sync(fine_sync) == 1
