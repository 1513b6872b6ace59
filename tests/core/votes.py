"""Votes and resets, for the tests of quorum and scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .machines import Machine


def voted(machine: Machine) -> Machine:
    assert machine.vote()
    machine.touched = False
    return machine
