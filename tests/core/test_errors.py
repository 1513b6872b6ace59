"""The error of a rejected call."""

from __future__ import annotations

import copy
import pickle

import pytest

from fastapi_hybrid_breaker import CircuitOpenError, HybridBreaker


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
    ("wait", "shown"), [(0.04, "0.0"), (1.0, "1.0"), (59.96, "60.0"), (86_400.0, "86400.0")]
)
def test_tells_the_circuit_and_the_wait(wait: float, shown: str) -> None:
    error = CircuitOpenError("inventory-api", wait)
    wanted = f"Circuit breaker is OPEN for inventory-api (retry after {shown} s)"
    assert str(error) == wanted


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


def test_what_a_rejection_says_can_be_changed_on_its_way() -> None:
    circuit = HybridBreaker(redis=None).circuit("k")
    circuit.open_here(60.0)
    with pytest.raises(CircuitOpenError) as caught:
        circuit.call_sync(int)
    caught.value.key, caught.value.retry_after = "shop", 5.0
    twin = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    for error in (caught.value, twin):
        assert str(error) == "Circuit breaker is OPEN for shop (retry after 5.0 s)"
