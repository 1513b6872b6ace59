"""Services that speak the basic format: what they write, and what to make of it.

The basic format is four fields and a channel, without versions; services in other languages use
it, and so did the library that came before this one.
"""

# No "from __future__ import annotations" here: pydantic reads the annotations at run time.

import re
from enum import Enum
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from pydantic import BeforeValidator, Field

from fastapi_hybrid_breaker.core.states import CircuitState

from .shared_state import SharedState
from .values import Count, Key, Number, WireModel, wire_names

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.news import Proposal

SAME_OPENING: Final = 1.0
"""Seconds by which two ends of a recovery timeout may differ and still mean the same opening."""

LONGEST_LIVE: Final = 1.5
"""Recovery timeouts that an opening in a message about this moment may last."""

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
