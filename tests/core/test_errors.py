"""The error of a rejected call."""

from __future__ import annotations

import copy
import pickle

import pytest

from fastapi_hybrid_breaker import CircuitOpenError


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
