"""Memory is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .invariant import Invariant

if TYPE_CHECKING:
    from collections.abc import Iterator

_ERRANDS_PER_CIRCUIT = 1
_HASHES_PER_CIRCUIT = 3
_FIELDS_PER_HASH = 40


class MemoryIsBounded(Invariant):
    """Neither an instance's queue nor the server's data grow with time or traffic.

    An instance has one work item per circuit at most, and the server a few fields per circuit, and
    a few per circuit and instance.
    """

    def look(self) -> Iterator[str]:
        """Count."""
        keys, instances = len(self.fleet.scenario.keys), len(self.fleet.instances)
        for instance in self.fleet.instances:
            if not instance.is_running:
                continue
            circuits = len(instance.breaker._registry)
            if circuits > keys:
                yield f"instance {instance.number} has {circuits} circuits of {keys}"
            session = instance.breaker._sync._session
            if session is not None and len(session.own.work) > keys * _ERRANDS_PER_CIRCUIT:
                yield f"the queue of instance {instance.number} grows"
        lives = sum(instance.lives for instance in self.fleet.instances)
        most = keys * (_HASHES_PER_CIRCUIT * _FIELDS_PER_HASH + 10 * lives) + 10 * lives
        if (size := self.fleet.server.store.data.size()) > most:
            yield f"the server keeps {size} things for {instances} instances and {keys} circuits"
