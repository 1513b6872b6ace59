"""What is known of a fleet at one moment, as the command shows it and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker.core.override import OverrideKind
from fastapi_hybrid_breaker.core.states import CircuitState

from .words import why

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi_hybrid_breaker.core.override import OverrideView
    from fastapi_hybrid_breaker.fleet.instances import Instance, UnhealthyCircuit
    from fastapi_hybrid_breaker.fleet.shared_override import SharedOverride
    from fastapi_hybrid_breaker.fleet.shared_state import SharedState


@dataclass(frozen=True, slots=True)
class Row:
    """One circuit.

    Args:
        key: its name.
        now: the server's time, epoch seconds.
        heard: what its hash says; None: nothing.
        register: what the register of overrides says; None: nothing.
        open_at: instances that have it open for themselves alone.
        seen: what instances reported of it with their last heartbeat, where it is in trouble.
        problem: what cannot be read of it, "" if nothing.
        openers: instances whose changes opened it, the latest last, five at most.
    """

    key: str
    now: float
    heard: SharedState | None
    register: SharedOverride | None
    open_at: tuple[str, ...] = ()
    seen: Mapping[str, UnhealthyCircuit] = field(default_factory=dict)
    problem: str = ""
    openers: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Return whether Redis has anything about it."""
        return bool(self.heard or self.override or self.open_at or self.seen or self.problem)

    @property
    def override(self) -> OverrideView | None:
        """The override in force."""
        update = None if self.register is None else self.register.news(self.now)
        return None if update is None else update.override

    @property
    def fixed_state(self) -> CircuitState | None:
        """The state that the override sets, None: the circuit decides by itself."""
        return None if self.override is None else self.override.kind.state

    @property
    def state(self) -> CircuitState | None:
        """The state in force for all; None: it cannot be read."""
        if self.fixed_state is not None:
            return self.fixed_state
        if self.heard is not None:
            return self.heard.state
        return None if self.problem else CircuitState.CLOSED

    @property
    def is_ready_to_probe(self) -> bool:
        """Whether it waits for a call: its recovery timeout has elapsed, and nobody rejects."""
        is_over = self.state is CircuitState.OPEN and self.retry_after == 0.0
        return is_over and self.fixed_state is None and not self.rejecting

    @property
    def why(self) -> str:
        """Why the circuit's own state is what it is, in words."""
        if self.problem:
            return self.problem
        if self.heard is None:
            return ""
        if self.heard.is_basic:
            return "reported by a service that uses the basic format"
        return why(self.heard.evidence)

    @property
    def rejecting(self) -> float:
        """Calls that the instances reject, per second, by their last reports."""
        return sum(one.rejecting for one in self.seen.values())

    @property
    def since(self) -> float | None:
        """When the state in force began, epoch seconds by the server's clock."""
        if self.fixed_state is not None and self.register is not None:
            return min(self.now, self.register.version / 1_000_000)
        return self.heard.at if self.heard is not None and self.heard.at else None

    @property
    def retry_after(self) -> float | None:
        """Seconds until a call may be admitted; None: when an override is cleared."""
        if self.override is not None and self.fixed_state is not None:
            is_forced = self.override.kind is OverrideKind.FORCED_OPEN
            return self.override.remaining if is_forced else 0.0
        return 0.0 if self.heard is None else self.heard.remaining(self.now)

    @property
    def next_attempt(self) -> float | None:
        """When a call may be admitted, epoch seconds by the server's clock, if OPEN until then."""
        if self.state is not CircuitState.OPEN or self.retry_after is None:
            return None
        return self.now + self.retry_after

    def rank(self) -> tuple[int, str]:
        """Return a key for sorting: the worst first."""
        if self.is_ready_to_probe:
            badness = 5
        elif self.state is CircuitState.OPEN:
            badness = 0
        elif self.state is CircuitState.HALF_OPEN:
            badness = 1
        elif self.open_at or any(
            one.state is CircuitState.OPEN and one.shadowed is None for one in self.seen.values()
        ):
            badness = 2
        elif self.state is None:
            badness = 3
        elif self.override is not None:
            badness = 4
        else:
            badness = 6
        return badness, self.key

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts; the fields are those of docs/terminal.md."""
        heard, override = self.heard, self.override
        return {
            "key": self.key,
            "state": self.state,
            "ready_to_probe": self.is_ready_to_probe,
            "own_state": None if heard is None else heard.state,
            "why": self.why,
            "since": self.since,
            "next_attempt": self.next_attempt,
            "retry_after": self.retry_after,
            "failures": 0 if heard is None else heard.failures,
            "successes": 0 if heard is None else heard.successes,
            "reopenings": 0 if heard is None else heard.reopenings,
            "version": 0 if heard is None else heard.version,
            "writer": "" if heard is None else heard.writer,
            "plain": heard is not None and heard.is_basic,
            "override": None if override is None else asdict(override),
            "open_at": list(self.open_at),
            "openers": list(self.openers),
            "rejecting": self.rejecting,
            "evidence": None if heard is None or not heard.evidence else asdict(heard.evidence),
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class Picture:
    """A fleet, or one circuit of it.

    Args:
        now: the server's time, epoch seconds.
        rows: the circuits, the worst first.
        instances: those not forgotten yet, the oldest first.
        newest: the highest version in the index.
        quiet: circuits of the index of which nothing is left: closed for more than an hour.
        unreadable: entries of the index and of the lists that are none.
    """

    now: float
    rows: Sequence[Row]
    instances: Sequence[Instance]
    newest: int = 0
    quiet: int = 0
    unreadable: int = 0

    @property
    def living(self) -> int:
        """How many instances sent a heartbeat of late."""
        return sum(one.sync == "connected" for one in self.instances)

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "at": self.now,
            "circuits": [row.as_json() for row in self.rows],
            "instances": [asdict(one) for one in self.instances],
            "quiet": self.quiet,
            "unreadable": self.unreadable,
        }
