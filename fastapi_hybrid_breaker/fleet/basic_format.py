"""Services that speak the basic format: what they write, and what to make of it.

The basic format is four fields and a channel, without versions; services in other languages use
it, and so did the library that came before this one.
"""

# No "from __future__ import annotations" here: pydantic reads the annotations at run time.

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, Field

from fastapi_hybrid_breaker.core.states import CircuitState

from .shared_state import SharedState
from .until import Until
from .values import Count, Key, Number, WireModel, wire_names

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.core.news import Proposal

    from .own_instance import OwnInstance
    from .work_item import Wish

SAME_OPENING: Final = 1.0
"""Seconds by which two ends of a recovery timeout may differ and still mean the same opening."""

LONGEST_LIVE: Final = 1.5
"""Recovery timeouts that an opening in a message about this moment may last."""

ADOPTION_JITTER: Final = 0.1
"""Seconds at most before an update is adopted, so that one instance does it and not all."""

REASSERT_EVERY: Final = 1.0
"""Seconds between two repetitions of an opening that clients do not know of."""

SHOW_EVERY: Final = 5.0
"""Seconds between two repetitions of an override that clients write over."""

FAILURES_LIFE: Final = 3600.0
"""Seconds for which the consecutive failures of clients are remembered."""

_FOUR: Final = re.compile(r"([A-Z_]+)\|([0-9]+)\|([0-9]+)\|([0-9]+)")


# -- what they write -----------------------------------------------------------------------------


class BasicFields(WireModel):
    """The four fields of the basic format, in a message or a hash: valid as a whole or not."""

    what: ClassVar[str] = "basic fields"

    state: CircuitState
    failures: Count = 0
    successes: Count = 0
    next_attempt: Number = Field(0, alias="nextAttempt")

    def shared_state(self, *, is_basic: bool) -> SharedState:
        """Return the state without anything beside these fields."""
        return SharedState(
            self.state,
            self.failures,
            self.successes,
            self.next_attempt / 1000,
            is_basic=is_basic,
        )

    def is_same_state(self, other: "BasicFields | None") -> bool:
        """Whether both are the same state, and end at the same time where that is OPEN.

        Counts do not matter: clients of the basic format write them with every call.
        """
        if other is None or self.state is not other.state:
            return False
        return self.state is not CircuitState.OPEN or self.next_attempt == other.next_attempt

    def counted_failures(self) -> int:
        """Return the consecutive failures that a client of the basic format has counted."""
        return self.failures if self.state is CircuitState.CLOSED else 0


BASIC_FIELDS: Final = wire_names(BasicFields)


def _split(value: object) -> object:
    found = _FOUR.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not state|failures|successes|nextAttempt")
    return dict(zip(BASIC_FIELDS, found.groups(), strict=True))


JoinedFields = Annotated[BasicFields, BeforeValidator(_split)]
"""The same as one text: ``state|failures|successes|nextAttempt``."""


class BasicMessage(WireModel):
    """A message of the basic format."""

    what: ClassVar[str] = "message"

    key: Key
    stats: BasicFields


# -- what to make of it --------------------------------------------------------------------------


class Reaction(Enum):
    """What an update in the basic format calls for."""

    IGNORE = "ignore"  # it says what we know: no command
    ADOPT = "adopt"
    REASSERT = "reassert"  # its writer does not know of our opening: write it again


def react(  # noqa: PLR0911 - a table of cases, one answer each
    update: SharedState,
    ours: "Proposal",
    *,
    server_now: float | None,
    recovery_timeout: float,
    is_live: bool,
    knows_opening: bool,
) -> Reaction:
    """Compare an update in the basic format with what this process knows.

    Args:
        update: the update.
        ours: what this process knows.
        server_now: the server's time; None: not known yet.
        recovery_timeout: as configured here, in seconds.
        is_live: it is a message, about this moment, and not a hash.
        knows_opening: an update in the basic format has been received about the present
            opening: a client that knows of it may end it. Others go on writing CLOSED with
            every success.
    """
    is_running = ours.state is CircuitState.OPEN and ours.remaining > 0
    if update.state is CircuitState.OPEN:
        if ours.state is not CircuitState.OPEN:
            return Reaction.ADOPT
        if server_now is None:
            return Reaction.IGNORE
        wait = update.next_attempt - server_now
        # Only a later end is another opening. An end in the past means a wrong clock, or an old
        # update; so does, in a message about this moment, one that no recovery timeout reaches.
        if wait <= ours.remaining + SAME_OPENING:
            return Reaction.IGNORE
        if is_live and is_running and wait > LONGEST_LIVE * recovery_timeout:
            return Reaction.IGNORE
        return Reaction.ADOPT
    if update.state is ours.state:
        return Reaction.IGNORE
    return Reaction.REASSERT if is_running and not knows_opening else Reaction.ADOPT


# -- what is done about it -----------------------------------------------------------------------


@dataclass(slots=True)
class BasicUpdate:
    """An update to adopt at ``due`` (monotonic seconds), unless one with a version comes first.

    ``is_live``: it came by a message, about this moment. ``may_close``: its writer knows of the
    present opening, and may end it.
    """

    due: float
    is_live: bool
    may_close: bool


class Reassertions:
    """Writes a circuit again for clients that write over it: at once, but not too often.

    Args:
        own: whose queue and schedule it goes into.
    """

    plans: tuple[str, ...] = ("reassert",)

    def __init__(self, own: "OwnInstance") -> None:
        self._own = own
        self._not_before = Until()
        self._wishes: dict[str, Wish] = {}  # of those that are due later

    def want(self, key: str, wish: "Wish", every: float) -> None:
        """Queue it, now or when ``every`` seconds have passed since the last time."""
        now, due = self._own.clock(), self._not_before.get(key)
        if now < due:
            self._wishes[key] = wish
            self._own.schedule.note("reassert", key, due)
            return
        self._not_before.note(key, now + every, now)
        self._own.work.want(key, wish, must=True)

    def due(self, kind: str, key: str, now: float) -> tuple[()]:  # noqa: ARG002 - one kind
        """Queue what was to wait until now."""
        if (wish := self._wishes.pop(key, None)) is not None:
            self._own.work.want(key, wish, must=True)
        return ()


class BasicFormatClients:
    """What this process knows of the services that speak the basic format, and owes them.

    Args:
        own: this instance.
    """

    def __init__(self, own: "OwnInstance") -> None:
        self._own = own
        self._openings: dict[str, int] = {}  # by key, the generation of the opening they know of
        self._failures: dict[str, tuple[int, float]] = {}  # consecutive ones there, and when
        self.reassertions: Reassertions = Reassertions(own)

    def received(self, circuit: "Circuit", update: SharedState, *, is_live: bool) -> None:
        """React to an update. ``is_live``: it came by a message, about this moment."""
        key, now = circuit.key, self._own.clock()
        with circuit._hold() as core:
            ours = core.membership.describe(now)
        if (fixed := circuit._core.override.fixed_state(now)) is not None:
            # It repeats the override, or contradicts it: the circuit's own state stays.
            if update.state is not fixed:
                self.reassertions.want(key, "show", SHOW_EVERY)
            return
        if update.state is CircuitState.OPEN:
            self._make_room(self._openings)
            self._openings[key] = ours.generation + (ours.state is not CircuitState.OPEN)
        knows_opening = self._openings.get(key) == ours.generation
        reaction = react(
            update,
            ours,
            server_now=self._own.server.now(),
            recovery_timeout=circuit.config.recovery_timeout,
            is_live=is_live,
            knows_opening=knows_opening,
        )
        if reaction is Reaction.ADOPT:
            due = now + self._own.random.uniform(0, ADOPTION_JITTER)
            self._adopt(key, BasicUpdate(due, is_live=is_live, may_close=knows_opening))
        elif reaction is Reaction.REASSERT:
            self.reassertions.want(key, "restore", REASSERT_EVERY)

    def found(self, key: str, *, is_live: bool) -> None:
        """Adopt at once what the script has found in a hash that it was to change."""
        self._adopt(key, BasicUpdate(due=0.0, is_live=is_live, may_close=False))

    def _adopt(self, key: str, update: BasicUpdate) -> None:
        self._own.work.edit(key, lambda item: item.adopt_basic(update), must=True)

    def note_failures(self, key: str, failures: int, at: float) -> None:
        """Record the consecutive failures that clients had counted at ``at``."""
        self._make_room(self._failures)
        if key not in self._failures or self._failures[key][1] <= at:
            self._failures[key] = (failures, at)

    def failures_of(self, key: str) -> tuple[int, float] | None:
        """Return the consecutive failures that clients have counted, and when; None: not known."""
        found = self._failures.get(key)
        return (
            found if found is not None and self._own.clock() - found[1] <= FAILURES_LIFE else None
        )

    def _make_room(self, table: dict[str, Any]) -> None:
        if len(table) > 2 * len(self._own.registry) + 100:
            table.clear()
