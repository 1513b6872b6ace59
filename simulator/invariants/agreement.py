"""All instances agree with the server in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker import CircuitState
from fastapi_hybrid_breaker.fleet.messages import HASH_FIELDS, parse_hash
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.shared_override import SharedOverride

from .invariant import Invariant, is_shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.instance import Instance

NAMES = Names("circuit")


class AllAgree(Invariant):
    """After the faults, and a repair's time, each instance knows what the server has.

    The same state, version and writer of every circuit; the same override, which ends at the
    same time; and plain readers of the hash see what is in force. Each counts itself connected.
    What an instance has opened for itself, below its quorum, may last as long as an override of
    the same circuit: the override decides, and no call is a probe that could end it.
    """

    def at_rest(self) -> Iterator[str]:
        """Compare each instance with the server."""
        for instance in self.fleet.instances:
            status = instance.breaker.sync_status()
            if status.state != "connected":
                yield f"instance {instance.number} is {status.state}"
            for circuit in instance.breaker._registry:
                if is_shared(circuit):
                    yield from self._state_agrees(instance, circuit.key)
                yield from self._override_agrees(instance, circuit.key)

    def _state_agrees(self, instance: Instance, key: str) -> Iterator[str]:
        core = instance.breaker.circuit(key)._core
        stored = self.fleet.server.store.hash(NAMES.hash(key))
        values = [stored.get(field) for field in HASH_FIELDS]
        heard = parse_hash([None if one is None else one.encode() for one in values])
        if core.membership.local_only and core.override.current is not None:
            return
        ours = (core.machine.state, core.membership.version, core.membership.writer)
        if heard is None:
            if core.membership.version or core.machine.state is not CircuitState.CLOSED:
                yield f"only instance {instance.number} has {key} {ours}"
            return
        theirs = (heard.state, heard.version, heard.writer)
        # Basic-format clients give no versions, until somebody adopts what they say; and who has
        # not heard of any version misses nothing while the state is the same.
        is_plain = heard.is_basic or not core.membership.version
        are_equal = ours[0] is theirs[0] if is_plain else ours == theirs
        if not are_equal:
            yield f"instance {instance.number} has {key} {ours}, the server {theirs}"

    def _override_agrees(self, instance: Instance, key: str) -> Iterator[str]:
        store = self.fleet.server.store
        register = store.hash(NAMES.override(key)).get("override")
        kind, ends = None, 0.0
        if register is not None:
            heard = SharedOverride.read_register(register)
            if not heard.ends_at or heard.ends_at > store.now():
                kind, ends = heard.kind, heard.ends_at
        view = instance.breaker.stats(key).override
        ours = None if view is None else view.kind
        shown = store.hash(NAMES.hash(key)).get("state")
        if kind is not ours:
            yield f"instance {instance.number} has {key} overridden as {ours}, the server {kind}"
        elif view is not None:
            left = ends - store.now() if ends else None
            if left is not None and abs(left - (view.remaining or 0.0)) > 1.0:
                yield f"instance {instance.number} ends the override of {key} at another time"
        if kind is not None and shown != kind.state:
            yield f"plain readers see {key} {shown}, although it is {kind}"
