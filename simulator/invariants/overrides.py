"""An override holds until its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.override import OverrideKind

from .invariant import Invariant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker import Circuit
    from fastapi_hybrid_breaker.core.override import Override
    from simulator.fleet import Fleet
    from simulator.instance import Instance

_SLACK = 1.0
"""Seconds by which another host's clock may end an override earlier."""


class OverridesHold(Invariant):
    """What an operator has set is in force wherever it is known, and until it ends.

    No call is admitted while its circuit is forced open, none rejected while it is disabled; and
    an instance that knows an override does not lose it before its time, but for a newer one.
    """

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self._known: dict[tuple[int, int, str], tuple[int, Override]] = {}
        self._offset = 0.0

    def look(self) -> Iterator[str]:
        """Compare with what was known before."""
        offset = self.fleet.server.store.offset
        was_set, self._offset = offset != self._offset, offset
        for instance in self.fleet.instances:
            if not instance.is_running:
                continue
            now = instance.process.monotonic()
            for circuit in instance.breaker.registry:
                machine = circuit.machine
                which = (instance.number, instance.lives, circuit.key)
                known = self._known.get(which)
                # A server whose clock is set ends overrides by its new time.
                if known is not None and machine.override is None and not was_set:
                    version, override = known
                    is_early = override.deadline is None or now < override.deadline - _SLACK
                    is_same = version == machine.override_version
                    if is_same and is_early and not machine.override_unshared:
                        yield f"instance {instance.number} lost the override of {circuit.key}"
                if machine.override is None:
                    self._known.pop(which, None)
                else:
                    self._known[which] = machine.override_version, machine.override

    def admitted(self, instance: Instance, circuit: Circuit) -> None:
        """Check that it was not forced open."""
        if _in_force(instance, circuit) is OverrideKind.FORCED_OPEN:
            self.found.append(f"instance {instance.number} calls {circuit.key}, forced open")

    def rejected(self, instance: Instance, circuit: Circuit) -> None:
        """Check that it was not disabled."""
        if _in_force(instance, circuit) is OverrideKind.DISABLED:
            self.found.append(f"instance {instance.number} rejects {circuit.key}, disabled")


def _in_force(instance: Instance, circuit: Circuit) -> OverrideKind | None:
    override = circuit.machine.override
    if override is None or override.is_over(instance.process.monotonic()):
        return None
    return override.kind
