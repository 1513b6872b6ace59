"""What must hold of a fleet, whatever has happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker import CircuitState
from fastapi_hybrid_breaker.fleet.override_wire import HeardOverride
from fastapi_hybrid_breaker.fleet.wire import HASH_FIELDS, Names, parse_hash

if TYPE_CHECKING:
    from .fleet import Fleet, Instance

NAMES: Final = Names("circuit")


class Watch:
    """Looks at the fleet while it runs: what an instance knows never goes back.

    An instance's version of a circuit, and of its override, only rises as long as it lives.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._seen: dict[tuple[int, int, str], tuple[int, str, int]] = {}
        self.violations: list[str] = []

    def look(self) -> None:
        """Compare with what was seen before."""
        for instance in self._fleet.instances:
            if not instance.is_running:
                continue
            for circuit in instance.breaker.registry:
                machine = circuit.machine
                which = (instance.number, instance.lives, circuit.key)
                now = (machine.version, machine.writer, machine.override_version)
                before = self._seen.get(which, (0, "", 0))
                if now[:2] < before[:2] or now[2] < before[2]:
                    self.violations.append(
                        f"instance {instance.number} went back from {before} to {now}"
                        f" on {circuit.key}"
                    )
                self._seen[which] = now
            session = instance.breaker.sync._session
            if session is not None and len(session.knowledge.errands) > 100:
                self.violations.append(f"the queue of instance {instance.number} grows")


def everything_recovered(fleet: Fleet) -> list[str]:
    """Check, after a time of healthy traffic, that nothing rejects for ever."""
    return [
        f"instance {instance.number} still has {circuit.key} {circuit.machine.state} after it all"
        for instance in fleet.instances
        for circuit in instance.breaker.registry
        if circuit.machine.state is not CircuitState.CLOSED
        and not is_overridden(instance, circuit.key)
    ]


def is_overridden(instance: Instance, key: str) -> bool:
    """Tell whether an override keeps the circuit from trying."""
    stats = instance.breaker.stats(key)
    return stats.override is not None


def all_agree(fleet: Fleet) -> list[str]:
    """Check that each instance knows what the server has, and nothing else."""
    found = []
    store = fleet.server.store
    for instance in fleet.instances:
        status = instance.breaker.sync_status()
        if status.state != "connected":
            found.append(f"instance {instance.number} is {status.state}")
        for circuit in instance.breaker.registry:
            machine = circuit.machine
            stored = store.hash(NAMES.hash(circuit.key))
            values = [stored.get(field) for field in HASH_FIELDS]
            heard = parse_hash([None if one is None else one.encode() for one in values])
            ours = (machine.state, machine.version, machine.writer)
            if heard is None:
                if machine.version or machine.state is not CircuitState.CLOSED:
                    found.append(f"only instance {instance.number} has {circuit.key} {ours}")
            elif (heard.state, heard.version, heard.writer) != ours:
                theirs = (heard.state, heard.version, heard.writer)
                found.append(
                    f"instance {instance.number} has {circuit.key} {ours}, the server {theirs}"
                )
            found += _override_agrees(fleet, instance, circuit.key)
    return found


def _override_agrees(fleet: Fleet, instance: Instance, key: str) -> list[str]:
    store = fleet.server.store
    register = store.hash(NAMES.override(key)).get("override")
    kind, ends = None, 0.0
    if register is not None:
        heard = HeardOverride.from_register(register)
        if not heard.ends or heard.ends > store.now():
            kind, ends = heard.kind, heard.ends
    view = instance.breaker.stats(key).override
    ours = None if view is None else view.kind
    if kind is not ours:
        return [f"instance {instance.number} has {key} overridden as {ours}, the server as {kind}"]
    if view is not None and view.remaining is not None:
        left = ends - store.now()
        if abs(left - view.remaining) > 1.0:
            return [f"instance {instance.number} ends the override of {key} at another time"]
    shown = store.hash(NAMES.hash(key)).get("state")
    if kind is not None and shown != kind.state:
        return [f"plain readers see {key} {shown}, although it is {kind}"]
    return []
