"""What an exception says: failure, or no verdict; and what it carries away from being counted."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import subprocess
import sys
import weakref
from dataclasses import dataclass
from typing import Any

import pytest

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.circuits.counted import (
    counted_as,
    mark_counted,
    marks_on,
    running_in,
)
from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.errors import CircuitOpenError
from fastapi_hybrid_breaker.core.outcomes import Classifier, classifier_of
from fastapi_hybrid_breaker.core.states import Outcome
from tests.patience import PATIENCE

SUCCESS, FAILURE, NOT_COUNTED = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NOT_COUNTED

OURS, OTHER = 1, 2
"""Serial numbers of two circuits."""


def told(
    error: BaseException, *, admitted: int = 0, circuit: int = OURS, **settings: Any
) -> Outcome:
    classifier = Classifier(CircuitConfig(**settings))
    classifier.judge(error)  # what it remembers of a class must not change what it says
    return classifier.judge(error, lambda one: counted_as(one, circuit, running_in()) > admitted)


def mark(error: BaseException, *, circuit: int = OURS, sequence: int = 5) -> None:
    mark_counted(error, circuit, sequence)


@pytest.mark.parametrize("error", [ValueError(), TimeoutError(), OSError(), AssertionError()])
def test_an_exception_is_a_failure(error: Exception) -> None:
    assert told(error) is FAILURE


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        GeneratorExit(),
        KeyboardInterrupt(),
        SystemExit(),
        CircuitOpenError("other", 1.0),
        StopIteration(),
        StopAsyncIteration(),
    ],
)
def test_says_nothing_about_the_dependency(error: BaseException) -> None:
    assert told(error) is NOT_COUNTED


def test_only_the_classes_that_are_named_count() -> None:
    assert told(ConnectionError(), failure_exceptions=(OSError,)) is FAILURE
    assert told(ValueError(), failure_exceptions=(OSError,)) is NOT_COUNTED
    assert told(ValueError(), failure_exceptions=()) is NOT_COUNTED


def test_ignored_classes_win() -> None:
    settings: dict[str, Any] = {
        "failure_exceptions": (OSError,),
        "ignored_exceptions": (ConnectionError,),
    }
    assert told(OSError(), **settings) is FAILURE
    assert told(ConnectionResetError(), **settings) is NOT_COUNTED


def test_a_rejection_never_counts_even_when_asked_for() -> None:
    rejection = CircuitOpenError("b", 1.0)
    assert told(rejection, failure_exceptions=(CircuitOpenError,)) is NOT_COUNTED
    assert told(rejection, success_exceptions=(CircuitOpenError,)) is NOT_COUNTED
    assert told(rejection, success_exceptions=lambda _: True) is NOT_COUNTED


def test_ignored_classes_win_over_successes_and_those_over_failures() -> None:
    settings: dict[str, Any] = {
        "failure_exceptions": (Exception,),
        "success_exceptions": (OSError,),
        "ignored_exceptions": (ConnectionError,),
    }
    assert told(ValueError(), **settings) is FAILURE
    assert told(FileNotFoundError(), **settings) is SUCCESS
    assert told(ConnectionResetError(), **settings) is NOT_COUNTED


def test_functions_keep_the_same_order() -> None:
    settings: dict[str, Any] = {
        "failure_exceptions": lambda error: isinstance(error, Exception),
        "success_exceptions": lambda error: isinstance(error, OSError),
        "ignored_exceptions": lambda error: isinstance(error, ConnectionError),
    }
    assert told(ValueError(), **settings) is FAILURE
    assert told(FileNotFoundError(), **settings) is SUCCESS
    assert told(ConnectionResetError(), **settings) is NOT_COUNTED


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt()])
def test_a_cancellation_is_no_success_whatever_a_function_says(error: BaseException) -> None:
    assert told(error, success_exceptions=lambda _: True) is NOT_COUNTED


def test_a_group_is_a_success_when_nothing_in_it_is_a_failure() -> None:
    answer, settings = KeyError(), {"success_exceptions": (KeyError,)}
    assert told(ExceptionGroup("g", [answer, answer]), **settings) is SUCCESS
    assert told(ExceptionGroup("g", [answer, ValueError()]), **settings) is FAILURE
    assert told(ExceptionGroup("g", [ValueError(), answer]), **settings) is FAILURE
    mixed = BaseExceptionGroup("g", [asyncio.CancelledError(), answer])
    assert told(mixed, **settings) is SUCCESS


def test_a_group_class_that_is_named_a_success_is_one_whatever_is_in_it() -> None:
    group = ExceptionGroup("g", [ValueError()])
    assert told(group, success_exceptions=(ExceptionGroup,)) is SUCCESS
    assert told(ValueError(), success_exceptions=(ExceptionGroup,)) is FAILURE


def test_a_group_counts_when_one_error_in_it_does() -> None:
    rejection = CircuitOpenError("b", 1.0)
    assert told(ExceptionGroup("g", [rejection, ValueError()])) is FAILURE
    assert told(ExceptionGroup("g", [rejection, ExceptionGroup("h", [ValueError()])])) is FAILURE
    mixed = BaseExceptionGroup("g", [asyncio.CancelledError(), ValueError()])
    assert told(mixed) is FAILURE


def test_a_group_of_nothing_but_no_verdicts_is_none() -> None:
    rejection = CircuitOpenError("b", 1.0)
    assert told(ExceptionGroup("g", [rejection])) is NOT_COUNTED
    assert told(BaseExceptionGroup("g", [asyncio.CancelledError(), rejection])) is NOT_COUNTED
    nested = ExceptionGroup("g", [ExceptionGroup("h", [KeyError()])])
    assert told(nested, ignored_exceptions=(KeyError,)) is NOT_COUNTED


def test_an_ignored_group_class_is_ignored_whatever_is_in_it() -> None:
    group = ExceptionGroup("g", [ValueError()])
    assert told(group, ignored_exceptions=(ExceptionGroup,)) is NOT_COUNTED


def test_counted_since_the_call_was_admitted_is_not_counted_again() -> None:
    error = ValueError()
    mark(error, circuit=OURS, sequence=5)
    assert told(error, admitted=4) is NOT_COUNTED


def test_raised_again_by_a_later_call_counts_again() -> None:
    error = ValueError()
    mark(error, circuit=OURS, sequence=5)
    assert told(error, admitted=5) is FAILURE
    mark(error, circuit=OURS, sequence=6)
    assert told(error, admitted=5) is NOT_COUNTED


def test_counted_by_one_circuit_still_counts_for_another() -> None:
    error = ValueError()
    mark(error, circuit=OURS, sequence=5)
    assert told(error, circuit=OTHER) is FAILURE
    mark(error, circuit=OTHER, sequence=9)
    assert told(error, circuit=OURS, admitted=4) is NOT_COUNTED


def test_what_a_counted_group_holds_is_counted() -> None:
    inner = ValueError()
    group = ExceptionGroup("g", [inner, ExceptionGroup("h", [KeyError()])])
    mark(group, circuit=OURS, sequence=5)
    assert told(inner) is NOT_COUNTED
    rest = group.subgroup(KeyError)
    assert rest is not None
    assert told(rest) is NOT_COUNTED


def test_a_counted_error_in_a_new_group_is_not_counted_again() -> None:
    inner = ValueError()
    mark(inner, circuit=OURS, sequence=5)
    assert told(ExceptionGroup("g", [inner])) is NOT_COUNTED
    assert told(ExceptionGroup("g", [inner, KeyError()])) is FAILURE


def test_an_error_that_many_callers_share_keeps_its_last_hundred_marks() -> None:
    error = ValueError()
    for circuit in range(150):
        mark(error, circuit=circuit)
    assert len(marks_on(error)) == 100
    counted = [number for number in range(150) if counted_as(error, number, running_in()) == 5]
    assert counted == list(range(50, 150))


@dataclass(frozen=True)
class FrozenError(Exception):
    code: int


@dataclass(frozen=True, slots=True)
class FrozenSlotsError(Exception):
    code: int


class StubbornError(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


@pytest.mark.parametrize("error", [FrozenError(1), FrozenSlotsError(1), StubbornError()])
def test_exceptions_that_refuse_to_be_written_are_counted_once_as_well(error: Exception) -> None:
    assert told(error) is FAILURE
    mark(error, circuit=OURS, sequence=5)
    assert told(error) is NOT_COUNTED


def test_a_shallow_copy_of_a_counted_error_is_the_same_error() -> None:
    error = ValueError("x")
    mark(error, circuit=OURS, sequence=5)
    assert told(copy.copy(error)) is NOT_COUNTED


def test_a_counted_error_arrives_uncounted_in_another_process() -> None:
    """There the same numbers mean other circuits: its failures would go unseen."""
    error = ValueError("x")
    mark(error, circuit=OURS, sequence=5)
    for _ in range(2):  # and so when it travels on from there
        error = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        assert error.args == ("x",)
        assert told(error) is FAILURE
        mark(error, circuit=OURS, sequence=7)
        assert told(error) is NOT_COUNTED


def test_a_counted_error_can_be_unpickled_where_this_package_is_not() -> None:
    error = ValueError("x")
    mark(error, circuit=OURS, sequence=5)
    script = (
        "import pickle, sys; sys.modules['fastapi_hybrid_breaker'] = None;"
        " print(repr(pickle.loads(sys.stdin.buffer.read())))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(error),
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    assert answer.stdout.strip() == b"ValueError('x')"


def test_a_thousand_circuits_of_one_configuration_find_out_about_a_class_once() -> None:
    looks: list[object] = []

    class Kind(type):
        def __instancecheck__(cls, error: object) -> bool:
            looks.append(error)
            return False

    class Ignored(Exception, metaclass=Kind):
        pass

    config = CircuitConfig(failure_threshold=1, ignored_exceptions=(Ignored,))
    breaker = HybridBreaker(redis=None, defaults=config)

    def fail() -> None:
        raise ConnectionError

    for number in range(1000):
        with pytest.raises(ConnectionError):
            breaker.circuit(f"host-{number}").call_sync(fail)

    assert len(looks) == 1
    assert {circuit.state for circuit in breaker.circuits()} == {"OPEN"}


def test_classifiers_are_shared_by_the_same_configuration_only_and_go_with_it() -> None:
    config = CircuitConfig()
    one = classifier_of(config)
    assert classifier_of(config) is one
    assert classifier_of(CircuitConfig()) is not one
    assert one.judge(ValueError()) is FAILURE

    gone = weakref.ref(one)
    del one, config
    gc.collect()
    assert gone() is None
    ignoring = [CircuitConfig(ignored_exceptions=(ValueError,)) for _ in range(100)]  # ids again
    assert {classifier_of(config).judge(ValueError()) for config in ignoring} == {NOT_COUNTED}


def test_of_a_program_that_makes_classes_as_it_runs_a_thousand_are_remembered() -> None:
    classifier, most = Classifier(CircuitConfig()), 0
    for number in range(1_001):
        assert classifier.judge(type(f"Error{number}", (Exception,), {})()) is FAILURE
        most = max(most, len(classifier.plain))
    assert (most, len(classifier.plain)) == (1_000, 1)
