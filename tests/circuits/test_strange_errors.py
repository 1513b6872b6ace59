"""Errors of classes that answer no question: each arrives as it was raised, and is one failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock

from .parts import trip


class Broken(Exception):
    """What the properties below raise."""


class Property:
    def __get__(self, instance: object, owner: object) -> Any:
        raise Broken


class Unhashable(type):
    __hash__ = None  # type: ignore[assignment]


class Incomparable(type):
    def __eq__(cls, other: object) -> bool:
        raise Broken

    def __hash__(cls) -> int:
        return 1


class UnhashableError(Exception, metaclass=Unhashable):
    pass


class IncomparableError(Exception, metaclass=Incomparable):
    pass


class SecondIncomparableError(Exception, metaclass=Incomparable):
    pass


class SecretiveError(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise Broken


class CauselessError(Exception):
    __cause__: Any = Property()


class ContextlessError(Exception):
    __context__: Any = Property()
    __traceback__: Any = Property()


class ClasslessError(Exception):
    __class__: Any = Property()


class HollowGroup(ExceptionGroup[Exception]):
    exceptions: Any = Property()


class UntracedTypeError(TypeError):
    __traceback__: Any = Property()


def hollow_group() -> Exception:
    return HollowGroup("hollow", [ValueError()])


# Made by the tests: pytest itself asks parameters what they are.
KINDS: list[Callable[[], Exception]] = [
    UnhashableError,
    SecretiveError,
    CauselessError,
    ContextlessError,
    ClasslessError,
    UntracedTypeError,
    hollow_group,
]
each_kind = pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)


def fail_with(circuit: Circuit, error: Exception) -> BaseException:
    def fail() -> None:
        raise error

    try:
        circuit.call_sync(fail)
    except BaseException as seen:
        return seen
    raise AssertionError


@each_kind
def test_it_arrives_and_counts(circuit: Circuit, make: Callable[[], Exception]) -> None:
    error = make()
    assert fail_with(circuit, error) is error
    assert circuit.stats().failures == 1


def test_classes_that_cannot_be_compared_count_too(circuit: Circuit) -> None:
    for error in (IncomparableError(), SecondIncomparableError()):
        assert fail_with(circuit, error) is error
    assert circuit.stats().failures == 2


@each_kind
def test_as_a_probe_it_opens_the_circuit_again(
    circuit: Circuit, clock: ManualClock, make: Callable[[], Exception]
) -> None:
    error = make()
    trip(circuit)
    clock.advance(circuit.config.recovery_timeout)
    assert fail_with(circuit, error) is error
    assert circuit.state == "OPEN"


def test_a_rejection_without_a_key_takes_no_probes_place(
    circuit: Circuit, clock: ManualClock
) -> None:
    class KeylessError(CircuitOpenError):
        key: Any = Property()

    trip(circuit)
    clock.advance(circuit.config.recovery_timeout)
    error = KeylessError("another", 1.0)
    assert fail_with(circuit, error) is error  # a rejection, so it is not counted
    for _ in range(circuit.config.success_threshold):
        circuit.call_sync(int)
    assert circuit.state == "CLOSED"


def test_a_named_class_whose_instances_cannot_be_told_hides_no_failure() -> None:
    class Undecided(type):
        def __instancecheck__(cls, instance: object) -> bool:
            raise Broken

    class NamedError(Exception, metaclass=Undecided):
        pass

    config = CircuitConfig(ignored_exceptions=(NamedError,))
    circuit = HybridBreaker(redis=None, defaults=config).circuit("inventory-api")
    error = ValueError()
    assert fail_with(circuit, error) is error
    assert circuit.stats().failures == 1
