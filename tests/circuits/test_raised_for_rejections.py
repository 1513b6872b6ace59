"""What is raised in the place of a rejection, by classes that count otherwise; and its kin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitOpenError

from .parts import BrokenError, broken_sync, fail, fine_sync, trip

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import Circuit, HybridBreaker


@pytest.mark.parametrize("how", ["while it is handled", "from it", "from it, later"])
def test_an_error_in_the_place_of_a_rejection_is_not_counted_though_its_class_is_well_known(
    breaker: HybridBreaker, circuit: Circuit, how: str
) -> None:
    other = breaker.circuit("other")
    trip(other)
    fail(circuit)

    def translate() -> None:
        try:
            other.call_sync(fine_sync)
        except CircuitOpenError as rejection:
            error = BrokenError()
            if how == "while it is handled":
                raise error  # noqa: B904 - as many do
            if how == "from it":
                raise error from rejection
            error.__cause__ = rejection
        raise error

    for _ in range(2):
        with pytest.raises(BrokenError):
            circuit.call_sync(translate)
        assert (circuit.state, circuit.stats().failures) == ("CLOSED", 1)
    with pytest.raises(BrokenError):
        circuit.call_sync(broken_sync)
    assert circuit.state == "OPEN"


class HiddenExit(SystemExit):
    """Ends the program, and cannot be looked at."""

    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise BrokenError


def test_what_ends_the_program_is_no_failure_though_it_cannot_be_looked_at(
    circuit: Circuit,
) -> None:
    fail(circuit)

    def leave() -> None:
        raise HiddenExit

    with pytest.raises(HiddenExit):
        circuit.call_sync(leave)
    assert (circuit.state, circuit.stats().failures) == ("CLOSED", 1)
