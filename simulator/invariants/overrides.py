"""An override holds until its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.override import OverrideKind
from fastapi_hybrid_breaker.fleet.shared_override import SharedOverride

from .agreement import NAMES
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
        self._was_set = False  # the server's clock, even if it is right again

    def look(self) -> Iterator[str]:
        """Compare with what was known before."""
        self._was_set = self._was_set or bool(self.fleet.server.store.offset)
        for instance in self.fleet.instances:
            if not instance.is_running:
                continue
            for circuit in instance.breaker._registry:
                core = circuit._core
                which = (instance.number, instance.lives, circuit.key)
                if core.override.current is not None:
                    self._known[which] = core.override.version, core.override.current
                    continue
                known = self._known.pop(which, None)
                if known is None or core.override.unsynced:
                    continue
                if known[0] == core.override.version and self._runs(instance, circuit.key, *known):
                    yield f"instance {instance.number} lost the override of {circuit.key}"

    def _runs(self, instance: Instance, key: str, version: int, override: Override) -> bool:
        """Return whether an override has some time left, by the server if that has this one."""
        store = self.fleet.server.store
        is_up = (
            override.deadline is not None
            and instance.process.monotonic() >= override.deadline - _SLACK
        )
        if self._was_set and is_up:
            return False  # it has lasted as long as it was meant to, whatever that clock says now
        register = store.hash(NAMES.override(key)).get("override")
        heard = None if register is None else SharedOverride.read_register(register)
        if heard is not None and heard.version == version:
            left = heard.ends_at - store.now() if heard.ends_at else _SLACK + 1.0
            return heard.kind is not None and left > _SLACK
        # A clock that was set ends overrides by its new time.
        return not self._was_set and not is_up

    def admitted(self, instance: Instance, circuit: Circuit) -> None:
        """Check that it was not forced open."""
        if _in_force(instance, circuit) is OverrideKind.FORCED_OPEN:
            self.found.append(f"instance {instance.number} calls {circuit.key}, forced open")

    def rejected(self, instance: Instance, circuit: Circuit) -> None:
        """Check that it was not disabled."""
        if _in_force(instance, circuit) is OverrideKind.DISABLED:
            self.found.append(f"instance {instance.number} rejects {circuit.key}, disabled")


def _in_force(instance: Instance, circuit: Circuit) -> OverrideKind | None:
    override = circuit._core.override.current
    if override is None or override.is_over(instance.process.monotonic()):
        return None
    return override.kind
