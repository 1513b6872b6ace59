"""The error of a rejected call."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CircuitOpenError,
    CircuitState,
    HybridBreaker,
)
from fastapi_hybrid_breaker.testing import ManualClock
from fastapi_hybrid_breaker.web.problem import RouteRejectedError, WebSocketRejectedError
from tests import inside


@pytest.mark.parametrize(
    "error", [CircuitOpenError("a/b", 2.5), CircuitOpenError(key="a/b", retry_after=2.5)]
)
def test_survives_pickling_and_copying_however_it_was_made(error: CircuitOpenError) -> None:
    error.add_note("seen by the shop")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our bytes
        assert type(twin) is CircuitOpenError
        assert (twin.key, twin.retry_after) == ("a/b", 2.5)
        assert str(twin) == str(error)
        assert twin.__notes__ == ["seen by the shop"]


@pytest.mark.parametrize(
    ("wait", "shown"), [(0.04, "0"), (1.0, "1"), (2.52, "2.5"), (59.96, "60"), (86_400.0, "86400")]
)
def test_tells_the_circuit_and_the_wait(wait: float, shown: str) -> None:
    error = CircuitOpenError("inventory-api", wait)
    assert str(error) == f"Circuit breaker is OPEN for inventory-api; retry in {shown} s"
    error.state = CircuitState.HALF_OPEN
    assert str(error) == f"Circuit breaker is OPEN for inventory-api: probing; retry in {shown} s"


def rejections(circuit: Circuit) -> list[CircuitOpenError]:
    """Return what the first rejection raises, and a later one."""
    found = []
    for _ in range(2):
        with pytest.raises(CircuitOpenError) as caught:
            circuit.call_sync(int)
        found.append(caught.value)
    return found


def test_each_rejection_can_be_rebuilt_from_its_args() -> None:
    circuit = HybridBreaker(redis=None, clock=ManualClock()).circuit("k")
    inside.open_here(circuit, 60.0)
    for error in rejections(circuit):
        assert error.args == ("k", 60.0)
        rebuilt = type(error)(*json.loads(json.dumps(error.args)))
        assert type(rebuilt) is CircuitOpenError
        assert (str(rebuilt), rebuilt.state) == (str(error), CircuitState.OPEN)
        assert str(type(error)(error.key, error.retry_after)) == str(error)


def test_the_state_of_a_rejection_while_probing_travels_with_a_pickle() -> None:
    clock = ManualClock()
    config = CircuitConfig(half_open_max_calls=1)
    circuit = HybridBreaker(redis=None, clock=clock, defaults=config).circuit("k")
    inside.open_here(circuit, 60.0)
    clock.advance(60.0)
    inside.admit(circuit)
    for error in rejections(circuit):
        twin = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        assert (twin.args, twin.state) == (("k", 1.0), CircuitState.HALF_OPEN)
        assert type(error)(*error.args).state is CircuitState.OPEN


@pytest.mark.parametrize("kind", [RouteRejectedError, WebSocketRejectedError])
def test_the_errors_of_routes_are_rebuilt_from_the_same_two_args(
    kind: type[RouteRejectedError | WebSocketRejectedError],
) -> None:
    error = kind("k", 2.5, is_public=True, state=CircuitState.HALF_OPEN)
    assert error.args == ("k", 2.5)
    assert str(kind(*error.args)) == "Circuit breaker is OPEN for k; retry in 2.5 s"
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (twin.key, twin.retry_after, twin.state) == ("k", 2.5, CircuitState.HALF_OPEN)
    assert vars(twin) == vars(error)


def test_a_subclass_keeps_its_class_when_pickled() -> None:
    twin = pickle.loads(pickle.dumps(Special("k", 1.0)))  # noqa: S301 - our own bytes
    assert type(twin) is Special
    assert twin.key == "k"


class Special(CircuitOpenError):
    pass


def test_a_subclass_can_be_an_error_of_another_kind_too() -> None:
    class Unreachable(CircuitOpenError, ConnectionError):
        pass

    error = Unreachable("k", 1.0)
    assert isinstance(error, OSError)
    assert (error.key, error.retry_after) == ("k", 1.0)
