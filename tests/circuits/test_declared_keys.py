"""Keys that always have their circuit, and those that find no room."""

from __future__ import annotations

import logging

import pytest

from fastapi_hybrid_breaker import (
    CircuitOpenError,
)
from fastapi_hybrid_breaker.core.states import Outcome
from tests import inside

from .bounded import CONFIG, Breaker
from .parts import fine


def test_declared_keys_are_protected_in_a_registry_full_of_dead_hosts() -> None:
    breaker = Breaker(100, circuits={"declared": CONFIG, "host:*": CONFIG})
    for number in range(100):
        breaker.trip(f"dead-{number}")
    assert breaker.circuit("surplus").key == "overflow"
    breaker.trip("declared")
    breaker.time.advance(10.0)
    breaker.churn(500)
    assert breaker.state("declared") == "OPEN"
    assert len(breaker.keys) == 100


def test_a_declared_key_is_never_forgotten() -> None:
    breaker = Breaker(3, circuits={"declared": CONFIG})
    breaker.use("declared")
    first = id(breaker.circuit("declared"))
    breaker.churn(100)
    assert id(breaker.circuit("declared")) == first


def test_fewer_places_than_declared_keys_are_refused() -> None:
    circuits = {"a": CONFIG, "b": CONFIG, "c": CONFIG, "host:*": CONFIG}
    with pytest.raises(ValueError, match="max_circuits=2 leaves no room for the 3 keys"):
        Breaker(2, circuits=circuits)
    Breaker(3, circuits=circuits)


def test_openings_heard_of_never_keep_keys_used_here_out() -> None:
    breaker = Breaker(50, circuits={"declared": CONFIG})
    for number in range(200):
        breaker.hears(f"theirs-{number}", "OPEN", 3600.0)
    assert len(breaker.keys) == 50
    breaker.trip("declared", *[f"ours-{number}" for number in range(49)])
    assert len(breaker.keys) == 50
    assert breaker.hears("theirs-0", "OPEN") is None


def test_an_opening_heard_of_a_declared_key_has_its_place() -> None:
    breaker = Breaker(3, circuits={"declared": CONFIG})
    breaker.trip(*"abc")
    assert breaker.hears("declared", "OPEN") is not None
    assert breaker.state("declared") == "OPEN"


async def test_an_override_is_in_force_here_whether_or_not_there_was_room() -> None:
    """The answer to the operator says so."""
    breaker = Breaker(2)
    breaker.trip("a", "b")
    done = await breaker.override("c", "forced_open", by="ann", reason="x", seconds=30.0)
    assert done == "local"
    with pytest.raises(CircuitOpenError, match="OPEN for c"):
        await breaker.execute("c", fine)
    assert breaker.health().open == ("a", "b", "c")
    breaker.time.advance(30.0)
    breaker.use("d")
    assert len(breaker.keys) == 2  # as many as there may be, again


async def test_the_circuit_that_keys_share_takes_no_orders() -> None:
    breaker = Breaker(1)
    breaker.trip("a")
    surplus = breaker.circuit("surplus")
    with pytest.raises(RuntimeError, match="max_circuits"):
        await surplus.override("forced_open", by="ann", reason="x", seconds=None)
    with pytest.raises(RuntimeError, match="max_circuits"):
        await surplus.clear_override()
    with pytest.raises(RuntimeError, match="max_circuits"):
        await surplus.reset()
    for _ in range(10):
        inside.settle(surplus, inside.admit(surplus), Outcome.FAILURE)
    assert await breaker.execute("another", fine) == 1


def test_keys_without_a_circuit_are_named_in_the_log_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    breaker = Breaker(2)
    breaker.trip("a", "b")
    with caplog.at_level(logging.ERROR, "fastapi_hybrid_breaker"):
        caplog.clear()
        breaker.churn(100)
        (line,) = [one.getMessage() for one in caplog.records]
        assert line == (
            "circuit limit (max_circuits=2) reached; 'tenant-0' is NOT protected. Raise"
            " max_circuits or use fewer keys"
        )
        breaker.time.advance(60.0)
        breaker.fail("a")  # the probe
        breaker.fail("b")
        caplog.clear()
        breaker.churn(100)
        assert len(caplog.records) == 1


def test_a_key_is_known_to_stand_in_the_code_where_it_is_declared_or_kept() -> None:
    registry = inside.registry_of(Breaker(3, circuits={"declared": CONFIG, "host:*": CONFIG}))
    registry.keep("of a route")
    found = {key: registry.is_in_code(key) for key in ("declared", "of a route", "host:a", "x")}
    assert found == {"declared": True, "of a route": True, "host:a": False, "x": False}
