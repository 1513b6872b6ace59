"""What fails while one of a batch is made or handled costs that one alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.fleet.exchange import Exchange
from fastapi_hybrid_breaker.fleet.messages import (
    HASH_FIELDS,
)
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.own_instance import OwnInstance
from fastapi_hybrid_breaker.fleet.work_item import Request
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .odd import HUGE
from .sessions import note_report, replace_report, set_next_heartbeat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


KEY = "inventory-api"


# -- one of a batch -----------------------------------------------------------------------------

KEYS = tuple(f"k{number}" for number in range(6))
END = b"%d" % 2**43
OPEN = {"state": b"OPEN", "failures": b"1", "successes": b"0", "nextAttempt": END, "p": b"1"}
OPEN |= {"version": b"12", "writer": b"a", "at": b"5", "sum": b"OPEN|1|0|" + END}
OPEN_HASH = [OPEN.get(name) for name in HASH_FIELDS]
ERRORS = (OverflowError, RecursionError, UnicodeError, ZeroDivisionError, KeyError, TypeError)


class Fault:
    """An exchange of which the handling of one key fails."""

    def __init__(self, key: str, error: type[Exception]) -> None:
        clock = ManualClock()
        self.breaker = HybridBreaker(redis=None, clock=clock)
        self.own = OwnInstance(
            "me", Names("circuit"), inside.registry_of(self.breaker), clock=clock
        )
        self.exchange = Exchange(self.own)
        set_next_heartbeat(self.exchange, None)
        self._key, self._error = key, error

    def break_(self, name: str) -> None:
        circuits = self.exchange.circuits
        works = getattr(circuits, name)

        def maybe(*args: Any) -> Any:
            if self._key in args or getattr(args[0], "key", "") == self._key:
                raise self._error
            return works(*args)

        setattr(circuits, name, maybe)


@given(st.sampled_from(KEYS), st.sampled_from(ERRORS))
def test_an_answer_whose_handling_fails_costs_itself_alone(
    key: str, error: type[Exception]
) -> None:
    fault = Fault(key, error)
    for each in KEYS:
        fault.breaker.circuit(each)
        fault.exchange.read(each)
    shown = fault.exchange.circuits.peek(key)
    requests = fault.exchange.take(100)
    assert [request.key for request in requests] == ["", *KEYS]
    fault.break_("answered")
    fault.exchange.answered(requests, [(1, 0), *[OPEN_HASH] * len(KEYS)], 0.0, 0.0)
    states = {each: fault.breaker.state(each) for each in KEYS}
    assert states == {each: "CLOSED" if each == key else "OPEN" for each in KEYS}
    assert fault.own.faults.defects.count == 1
    assert shown.result(timeout=0) is None  # who waits for it is not left waiting


@given(st.sampled_from(KEYS), st.sampled_from(ERRORS))
def test_a_request_whose_making_fails_costs_itself_alone(key: str, error: type[Exception]) -> None:
    fault = Fault(key, error)
    for each in KEYS:
        fault.exchange.read(each)
    fault.break_("request")
    requests = fault.exchange.take(100)
    assert [request.key for request in requests] == ["", *(each for each in KEYS if each != key)]
    assert fault.own.faults.defects.count == 1
    assert fault.exchange.take(100) == []


@given(st.sampled_from(KEYS), st.sampled_from(ERRORS))
def test_a_report_whose_making_fails_costs_itself_alone(key: str, error: type[Exception]) -> None:
    fault = Fault(key, error)
    for each in KEYS:
        fault.breaker.circuit(each)
        note_report(fault.exchange, each)
    made: list[str] = []

    def report(circuit: Any, now: float) -> Iterator[Request]:
        if circuit.key == key:
            raise error
        made.append(circuit.key)
        return iter(())

    replace_report(fault.exchange, report)  # type: ignore[method-assign]
    for _ in range(2):
        fault.exchange.take(100)
    assert made == [each for each in KEYS if each != key]
    assert fault.exchange.next_due() is None


def test_what_is_no_time_of_the_server_is_dropped_and_the_rest_is_taken() -> None:
    for time in (None, b"1", (), ("soon", 0), (HUGE, 0), (0, HUGE)):
        fault = Fault("", KeyError)
        fault.breaker.circuit(KEY)
        fault.exchange.read(KEY)
        requests = fault.exchange.take(100)
        answer: Iterable[Any] = [time, OPEN_HASH]
        fault.exchange.answered(requests, list(answer), 0.0, 0.0)
        assert fault.breaker.state(KEY) == "OPEN"
        assert fault.own.faults.dropped.count + fault.own.faults.defects.count == 1
