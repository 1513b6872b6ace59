"""What the fleet publishes and keeps: messages, hashes of circuits, overrides, signals.

``docs/fleet.md`` describes each field; a test compares the two. Answers of scripts and of other
commands are in ``answers.py``.
"""

# No "from __future__ import annotations" here: pydantic reads the annotations at run time.

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from fastapi_hybrid_breaker.core.evidence import Evidence
from fastapi_hybrid_breaker.core.states import CircuitState

from .basic_format import BASIC_FIELDS, BasicFields, BasicMessage, JoinedFields
from .shared_override import SharedOverride
from .shared_state import SharedState
from .values import (
    MOST_COUNTED,
    VERSION_LIMIT,
    Count,
    ExactTime,
    InstanceName,
    Key,
    MalformedError,
    NameOrEmpty,
    Number,
    OrElse,
    ShownText,
    Version,
    WireModel,
    read_flat_json,
    read_json,
    read_number,
    texts_by_name,
    wire_names,
)

if TYPE_CHECKING:
    from .answers import Reply

PROTOCOL: Final = 1
"""Stands in each message and hash. From a higher one only state, version and times are read."""

LARGEST_MESSAGE: Final = 64 * 1024
"""Bytes; ours have about 300."""

LARGEST_SIGNAL: Final = 4 * 1024

_MOST_LIVE: Final = 10**6
_DAY: Final = 86_400_000

LenientCount = Annotated[Count, OrElse(0)]
LenientNumber = Annotated[Number, OrElse(0)]


# -- why a state changed -------------------------------------------------------------------------

Figure = Annotated[int, Field(strict=True, ge=0, le=MOST_COUNTED), OrElse(0)]


class Why(WireModel):
    """What a change was decided on: only shown, so that what is malformed reads as absent."""

    what: ClassVar[str] = "why"

    cause: ShownText = ""
    rule: ShownText = ""
    failures: Figure = 0
    successes: Figure = 0
    window: ShownText = ""
    calls: Figure = 0
    failed: Figure = 0
    slow: Figure = 0
    error: ShownText = ""
    by: ShownText = ""
    reason: ShownText = ""

    def evidence(self) -> Evidence:
        """Return it as circuits keep it."""
        return Evidence(**self.__dict__)


LenientWhy = Annotated[Why | None, OrElse(None)]
QuotedWhy = Annotated[Why | None, BeforeValidator(read_flat_json), OrElse(None)]
"""The same as JSON in a hash or an answer."""


def add_own_fields(state: SharedState, own: "StateMessage | CircuitHash | Reply") -> SharedState:
    """Return the state of the basic fields with what stands beside them."""
    return replace(
        state,
        version=own.version,
        writer=own.writer,
        at=own.at / 1000,
        reopenings=own.reopened,
        evidence=None if own.why is None else own.why.evidence(),
        recovered_at=own.closed_at / 1000,
        ramp_began_at=own.ramp / 1000,
    )


# -- the channel of states -----------------------------------------------------------------------


class OverrideMessage(WireModel):
    """A message about an override of a circuit whose state nobody has written yet."""

    what: ClassVar[str] = "message"

    key: Key
    override: SharedOverride


class _ShownFields(WireModel):
    """What is read of the basic fields of a later protocol."""

    what: ClassVar[str] = "message"

    state: CircuitState
    next_attempt: Number = Field(0, alias="nextAttempt")


class LaterMessage(WireModel):
    """What is read of a message of a later protocol."""

    what: ClassVar[str] = "message"

    key: Key
    stats: _ShownFields
    version: Version
    writer: InstanceName
    at: Annotated[Number, Field(gt=0)]
    under: _ShownFields | None = None

    def shared_state(self) -> SharedState:
        """Return the circuit's own state."""
        shown = self.under or self.stats
        return SharedState(
            shown.state, 0, 0, shown.next_attempt / 1000, self.version, self.writer, self.at / 1000
        )


class StateMessage(WireModel):
    """A message about a circuit's state and its override.

    ``stats`` is the effective state; ``under`` is the circuit's own where that is another.
    """

    what: ClassVar[str] = "message"

    key: Key
    stats: BasicFields
    p: Number
    version: Version
    writer: InstanceName
    at: Annotated[Number, Field(gt=0)]
    reopened: Count = 0
    under: BasicFields | None = None
    why: LenientWhy = None
    closed_at: LenientNumber = Field(0, alias="closedAt")
    ramp: LenientNumber = 0
    override: SharedOverride | None = None

    def shared_state(self) -> SharedState:
        """Return the circuit's own state."""
        return add_own_fields((self.under or self.stats).shared_state(is_basic=False), self)


class Received(NamedTuple):
    """What a message says of a circuit's state and of its override; None: nothing."""

    key: str
    state: SharedState | None
    override: SharedOverride | None


def parse_message(data: object) -> Received:
    """Read a message of the channel of states.

    Raises:
        MalformedError: it is not in the format.
    """
    message = read_json("message", data, LARGEST_MESSAGE)
    if message.get("p") is None:
        basic = BasicMessage.read(message)
        return Received(basic.key, basic.stats.shared_state(is_basic=True), None)
    protocol = read_number(message["p"])
    if not protocol:
        raise MalformedError("malformed message (p): 0 is not a protocol")
    if message.get("version") is None and message.get("override") is not None:
        alone = OverrideMessage.read(message)
        return Received(alone.key, None, alone.override)
    if protocol > PROTOCOL:
        later = LaterMessage.read(message)
        return Received(later.key, later.shared_state(), None)
    said = StateMessage.read(message)
    return Received(said.key, said.shared_state(), said.override)


# -- the hash of a circuit -----------------------------------------------------------------------


class CircuitHash(WireModel):
    """A circuit's hash. Several services write in it, so that it is read field by field.

    ``basic`` stands for the four basic fields. If one of them is malformed, all are ignored, and
    what ``sum`` repeats of our last writing is used instead. Scripts do the same.
    """

    what: ClassVar[str] = "hash"

    basic: Annotated[BasicFields | None, OrElse(None)]
    version: Annotated[Version, OrElse(0)]
    writer: Annotated[InstanceName, OrElse("")]
    at: LenientNumber
    sum: Annotated[JoinedFields | None, OrElse(None)]
    p: LenientNumber
    reopened: LenientCount
    why: QuotedWhy
    under: Annotated[JoinedFields | Literal["-"] | None, OrElse(None)]
    closed_at: LenientNumber = Field(alias="closedAt")
    ramp: LenientNumber
    closed_of: Annotated[str | None, OrElse(None)] = Field(alias="closedOf")

    def shared_state(self) -> SharedState | None:
        """Return the circuit's own state; None: there is only an override.

        Raises:
            MalformedError: there is no state in it that can be read.
        """
        if not self.version or not self.writer:
            if self.under == "-":
                return None
            if self.basic is None:
                raise MalformedError("malformed hash: no valid basic fields and no version")
            state = self.basic.shared_state(is_basic=True)
            return replace(state, basic_failures=self.basic.counted_failures())
        under = self.under if isinstance(self.under, BasicFields) else None
        is_basic = self.basic is not None and not self.basic.is_same_state(self.sum)
        fields = (None if is_basic else under) or self.basic or self.sum
        if fields is None:
            raise MalformedError("malformed hash: no state")
        state = fields.shared_state(is_basic=is_basic)
        if self.p > PROTOCOL:
            state = replace(
                state,
                failures=0,
                successes=0,
                version=self.version,
                writer=self.writer,
                at=self.at / 1000,
            )
        else:
            has_counted = self.basic and self.sum and self.basic.failures != self.sum.failures
            is_counted = is_basic or (under is None and has_counted)
            counted = fields.counted_failures() if is_counted else 0
            state = replace(add_own_fields(state, self), basic_failures=counted)
        # When a client of the basic format wrote is not known.
        return replace(state, at=0.0) if is_basic else state


HASH_FIELDS: Final = (*BASIC_FIELDS, *wire_names(CircuitHash)[1:])
"""The fields that are read of a circuit's hash."""


def parse_hash(values: object) -> SharedState | None:
    """Read the values of ``HASH_FIELDS``; None: the hash has no state.

    Raises:
        MalformedError: they are not in the format.
    """
    texts = texts_by_name(CircuitHash.what, HASH_FIELDS, values)
    if all(text is None for text in texts.values()):
        return None
    if texts["closedOf"] != texts["version"]:
        # A process that does not know of these fields leaves those of an older version there.
        texts |= {"closedAt": None, "ramp": None}
    basic = {name: texts[name] for name in BASIC_FIELDS}
    return CircuitHash.read(texts | {"basic": basic}).shared_state()


# -- the channel of signals ----------------------------------------------------------------------


class Tick(WireModel):
    """The channel works, and so many instances live."""

    what: ClassVar[str] = "signal"

    name: Literal["tick"] = Field(alias="signal")
    live: Annotated[Number, Field(le=_MOST_LIVE)] = 0


class Signal(WireModel):
    """A signal about a circuit that is being decided on.

    Signals have a channel of their own: on that of states they would reach clients of the basic
    format, some of which take every message for a state. ``key`` is not checked: a signal whose
    key names no circuit is ignored.
    """

    what: ClassVar[str] = "signal"

    name: Literal["armed", "suspect", "end", "hot", "probing"] = Field(alias="signal")
    key: Annotated[str, Field(strict=True)]
    version: Annotated[Number, Field(le=VERSION_LIMIT)] = 0
    writer: NameOrEmpty
    ms: Annotated[Number, Field(le=_DAY)] = 0
    by: NameOrEmpty = ""
    running: dict[NameOrEmpty, Count] | None = None
    successes: Count = 0
    at: ExactTime = 0.0

    @property
    def seconds(self) -> float:
        """How long it lasts; of ``suspect``: how long ago the first failure was."""
        return self.ms / 1000

    @property
    def sent_at(self) -> float:
        """When it was sent, epoch seconds by the server's clock; 0.0: by a process of 0.3.

        Those say only that probes run, and never that they have ended.
        """
        return self.at / 1000


def parse_signal(data: object) -> Tick | Signal:
    """Read a message of the channel of signals.

    Raises:
        MalformedError: it is not in the format.
    """
    said = read_json("signal", data, LARGEST_SIGNAL)
    return Tick.read(said) if said.get("signal") == "tick" else Signal.read(said)
