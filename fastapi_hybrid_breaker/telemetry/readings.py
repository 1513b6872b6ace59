"""What is read from one breaker when a reader collects."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from opentelemetry.metrics import Observation

from fastapi_hybrid_breaker.core.states import READY_TO_PROBE, CircuitState

from . import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fastapi_hybrid_breaker.breaker import Breaker
    from fastapi_hybrid_breaker.fleet.status import SyncStatus

    from .labels import Labels


class Readings:
    """Answers the instruments that ask; ``asked`` is called before, for what a first time brings.

    Args:
        breaker: the breaker.
        labels: which series its circuits count in.
        asked: see above.
    """

    def __init__(self, breaker: Breaker, labels: Labels, asked: Callable[[], object]) -> None:
        self._breaker = breaker
        self._labels = labels
        self._asked = asked
        self._about = {names.NAMESPACE: breaker._sync.namespace}
        self._seen: set[str] = set(labels.declared.values())
        self._seen_ready: set[str] = set()  # most never are, and need no series for it

    def state(self) -> Iterable[Observation]:
        """Return the circuits by state; 0 for a state without any, so that its series goes on."""
        self._asked()
        found: Counter[tuple[str, str]] = Counter()
        known = set()
        for circuit in self._breaker.circuits():
            label = self._labels.of(circuit)
            known.add(circuit.key)
            self._seen.add(label)
            is_ready = circuit.is_ready_to_probe()
            if is_ready:
                self._seen_ready.add(label)
            found[label, READY_TO_PROBE if is_ready else circuit.state] += 1
        for key, label in self._labels.declared.items():
            if key not in known:  # nothing was called there yet
                found[label, CircuitState.CLOSED] += 1
        for label in tuple(self._seen):
            for state in (*CircuitState, *([READY_TO_PROBE] if label in self._seen_ready else [])):
                attributes = {**self._about, names.KEY: label, names.STATE: state.lower()}
                yield Observation(found[label, state], attributes)

    def reopened(self) -> Iterable[Observation]:
        """Return how many circuits keep failing, 0 where none does: a series does not end there."""
        now = self._breaker._host.clock()
        found = Counter(
            self._labels.of(circuit)
            for circuit in self._breaker.circuits()
            if circuit._core.machine.recovery.keeps_failing(now)
        )
        for label in tuple(self._seen):
            yield Observation(found[label], {**self._about, names.KEY: label})

    def overrides(self) -> Iterable[Observation]:
        """Return the circuits that an operator holds, and nothing where there is none."""
        found: Counter[tuple[str, str]] = Counter()
        now = self._breaker._host.clock()
        for circuit in self._breaker.circuits():
            override = circuit._core.override.current
            if override is not None and not override.is_over(now):
                found[self._labels.of(circuit), override.kind.value] += 1
        for (label, kind), count in found.items():
            attributes = {**self._about, names.KEY: label, names.KIND: kind}
            yield Observation(count, attributes)

    def connected(self) -> Iterable[Observation]:
        """Return 1 or 0, and nothing without a fleet."""
        return self._of_sync(lambda status: int(status.state == "connected"))

    def sent(self) -> Iterable[Observation]:
        """Return the commands that were answered."""
        return self._of_sync(lambda status: status.sent)

    def received(self) -> Iterable[Observation]:
        """Return the messages that were taken in."""
        return self._of_sync(lambda status: status.received)

    def dropped(self) -> Iterable[Observation]:
        """Return the messages that were dropped."""
        return self._of_sync(lambda status: status.dropped)

    def queued(self) -> Iterable[Observation]:
        """Return the length of the queue."""
        return self._of_sync(lambda status: status.queued)

    def corrected(self) -> Iterable[Observation]:
        """Return the changes whose message did not arrive."""
        return self._of_sync(lambda status: status.corrected)

    def _of_sync(self, value: Callable[[SyncStatus], int]) -> Iterator[Observation]:
        status = self._breaker.sync_status()
        if status.state != "disabled":
            yield Observation(value(status), self._about)
