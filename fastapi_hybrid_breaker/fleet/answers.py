"""What Redis answers: the scripts, the evidence that is being counted, who lives, the index."""

# No "from __future__ import annotations" here: pydantic reads the annotations at run time.

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field, OnErrorOmit, TypeAdapter, ValidationError

from fastapi_hybrid_breaker.core.checks import DAY
from fastapi_hybrid_breaker.core.override import OverrideView
from fastapi_hybrid_breaker.core.states import CircuitState
from fastapi_hybrid_breaker.core.statistics import RUN_LIFE

from .basic_format import BasicFields
from .messages import LenientNumber, QuotedWhy, add_own_fields
from .shared_override import SharedOverride
from .shared_state import SharedState
from .values import (
    VERSION_LIMIT,
    Count,
    InstanceName,
    Key,
    MalformedError,
    NameOrEmpty,
    Number,
    OrElse,
    WireModel,
    as_text,
    texts_by_name,
    wire_names,
)

# -- answers of scripts --------------------------------------------------------------------------


def _none_if_empty(value: object) -> object:
    return value or None


class Reply(WireModel):
    """The answer of ``circuit.lua``: its values in the order of these fields."""

    what: ClassVar[str] = "answer of circuit.lua"

    status: Literal["done", "repeat", "refused", "foreign", "same"]
    version: Annotated[Number, Field(lt=VERSION_LIMIT)]
    writer: NameOrEmpty
    state: Annotated[CircuitState | None, BeforeValidator(_none_if_empty)]
    failures: Count
    successes: Count
    next_attempt: Number = Field(alias="nextAttempt")
    at: Number
    time: Number
    reopened: Count
    why: QuotedWhy
    override: Annotated[
        SharedOverride | None,
        BeforeValidator(lambda text: SharedOverride.read_register(text) if text else None),
    ]
    closed_at: LenientNumber = Field(alias="closedAt")
    ramp: LenientNumber

    @property
    def server_time(self) -> float:
        """The server's time, epoch seconds."""
        return self.time / 1_000_000

    @property
    def stored(self) -> SharedState | None:
        """The state in the hash; None: there is none."""
        if self.state is None:
            return None
        basic = BasicFields.model_construct(
            state=self.state,
            failures=self.failures,
            successes=self.successes,
            next_attempt=self.next_attempt,
        )
        return add_own_fields(basic.shared_state(is_basic=self.status == "foreign"), self)

    def effective_override(self) -> OverrideView | None:
        """Return the override that is in force by the server's clock, or None."""
        news = None if self.override is None else self.override.news(self.server_time)
        return None if news is None else news.override


def parse_reply(answer: object) -> Reply:
    """Read the answer of ``circuit.lua``.

    Raises:
        MalformedError: it is not in the format.
    """
    return Reply.read(texts_by_name(Reply.what, _REPLY_FIELDS, answer))


_REPLY_FIELDS: Final = wire_names(Reply)

_Elapsed = Annotated[Number | None, BeforeValidator(lambda text: None if text == "-1" else text)]


class Sums(WireModel):
    """The answer of ``evidence.lua``: what the fleet has counted on a circuit.

    ``run``: consecutive failures. ``suspect``: ms since they suffice to open the circuit, ``hot``:
    ms since calls are added up; None: they do not, they are not. ``votes``: instances that have
    opened it for themselves. ``calls``: by window and kind, of the windows that were reported.
    """

    what: ClassVar[str] = "answer of evidence.lua"

    status: Literal["stale", "missing", "done", "unsaid", "confirmed", "refused"]
    run: Count
    suspect: _Elapsed
    hot: _Elapsed
    votes: Count
    windows: dict[str, tuple[Count, ...]]

    @property
    def calls(self) -> Mapping[str, tuple[int, ...]]:
        """The windows whose kinds of calls are those that this version counts."""
        return {name: kinds for name, kinds in self.windows.items() if len(kinds) == _KINDS}

    @property
    def suspect_for(self) -> float | None:
        """Seconds since the failures suffice to open the circuit; None: they do not."""
        return None if self.suspect is None else self.suspect / 1000

    @property
    def hot_for(self) -> float | None:
        """Seconds since calls are added up; None: they are not."""
        return None if self.hot is None else self.hot / 1000


_KINDS: Final = 5
_SUMS_FIELDS: Final = wire_names(Sums)[:-1]


def parse_sums(answer: object) -> Sums:
    """Read the answer of ``evidence.lua``.

    Raises:
        MalformedError: it is not in the format.
    """
    if not isinstance(answer, list) or len(answer) % 2 == 0:
        raise MalformedError(f"malformed {Sums.what}: not an odd number of values")
    count = len(_SUMS_FIELDS)
    fields: dict[str, Any] = texts_by_name(Sums.what, _SUMS_FIELDS, answer[:count])
    windows = [as_text(part) if isinstance(part, bytes) else None for part in answer[count:]]
    fields["windows"] = {
        window: None if kinds is None else kinds.split(",")
        for window, kinds in zip(windows[::2], windows[1::2], strict=True)
    }
    return Sums.read(fields)


class LeaseReply(WireModel):
    """The answer of ``lease.lua``.

    ``ms`` is how long the lease lasts, or after what time it makes sense to ask again.
    """

    what: ClassVar[str] = "answer of lease.lua"

    status: Literal["gone", "moved", "early", "held", "full", "granted"]
    ms: Number
    places: Number
    successes: Count

    @property
    def seconds(self) -> float:
        """The same in seconds: an opening by a neighbour's clock can end long after any of ours."""
        return min(self.ms / 1000, DAY)


_LEASE_FIELDS: Final = wire_names(LeaseReply)


def parse_lease(answer: object) -> LeaseReply:
    """Read the answer of ``lease.lua``.

    Raises:
        MalformedError: it is not in the format.
    """
    reply = LeaseReply.read(texts_by_name(LeaseReply.what, _LEASE_FIELDS, answer))
    if reply.status == "granted" and not reply.places:
        raise MalformedError(f"malformed {LeaseReply.what} (places): a lease without a place")
    return reply


# -- what is being counted -----------------------------------------------------------------------

SUSPECT_LIFE: Final = 1.0
"""Seconds after which a run is announced as suspect again; the script's ``SUSPECT_LIFE``."""


def _pairs(pattern: str) -> BeforeValidator:
    find = re.compile(pattern).findall
    return BeforeValidator(lambda text: find(text) if isinstance(text, str) else [])


class CountedEvidence(WireModel):
    """The hash in which the fleet counts calls; what is malformed in it reads as absent."""

    what: ClassVar[str] = "evidence"

    of: Annotated[str, OrElse("")] = Field("", alias=":of")
    run: Annotated[tuple[tuple[LenientNumber, str], ...], _pairs("([0-9]+):([0-9A-Za-z]+)")] = (
        Field((), alias=":run")
    )
    plain: Annotated[
        tuple[tuple[LenientNumber, LenientNumber], ...], _pairs("^([0-9]+):([0-9]+)$")
    ] = Field((), alias=":plain")
    suspect: LenientNumber = Field(0, alias=":suspect")
    votes: Annotated[
        tuple[OnErrorOmit[tuple[InstanceName, LenientNumber]], ...],
        _pairs("([0-9A-Za-z]+):([0-9]+)"),
    ] = Field((), alias=":votes")

    def is_about(self, state: tuple[int, str]) -> bool:
        """Whether it is about this state, by version and writer."""
        return self.of == f"{state[0]}|{state[1]}"


VOTE_FIELDS: Final = (":of", ":votes")
"""What ``parse_votes`` reads of the evidence."""

RUN_FIELDS: Final = (":of", ":run", ":plain", ":suspect")
"""What ``parse_run`` reads of it."""


@dataclass(frozen=True, slots=True)
class RunUnderWay:
    """Consecutive failures that the fleet is counting.

    Args:
        lasts: seconds since the first of them.
        is_suspect: they suffice to open the circuit, and others may object just now.
    """

    lasts: float
    is_suspect: bool


def parse_run(answer: object, state: tuple[int, str], server_now: float) -> RunUnderWay | None:
    """Return the failures that are being counted under ``state``, version and writer; None: none.

    Raises:
        MalformedError: the answer has another form.
    """
    found = CountedEvidence.read(texts_by_name(CountedEvidence.what, RUN_FIELDS, answer))
    if not found.is_about(state):
        return None
    moments = [at for at, _ in found.run] + [at for count, at in found.plain if count]
    ages = [server_now - at / 1e6 for at in moments]
    ages = [age for age in ages if age <= RUN_LIFE]
    if not ages:
        return None
    announced = server_now - found.suspect / 1000
    return RunUnderWay(max(0.0, *ages), is_suspect=announced <= SUSPECT_LIFE)


def parse_votes(
    answer: object, state: tuple[int, str] | None, server_now: float
) -> tuple[str, ...]:
    """Return which instances have opened a circuit for themselves.

    ``state`` is the fleet's that their votes must be about, by version and writer; None: any.

    Raises:
        MalformedError: the answer has another form.
    """
    found = CountedEvidence.read(texts_by_name(CountedEvidence.what, VOTE_FIELDS, answer))
    if state is not None and not found.is_about(state):
        return ()
    return tuple(instance for instance, until in found.votes if until / 1000 > server_now)


# -- index, set of overrides, time ---------------------------------------------------------------


class IndexMember(WireModel):
    """A member of the index. A version that cannot be read comes after all others."""

    what: ClassVar[str] = "member of the index"

    key: Key
    version: Annotated[Number, Field(le=VERSION_LIMIT), OrElse(VERSION_LIMIT)]


def parse_member(member: object, score: object) -> IndexMember:
    """Read a member of the index.

    Raises:
        MalformedError: its key names no circuit.
    """
    return IndexMember.read(texts_by_name(IndexMember.what, ("key", "version"), (member, score)))


def parse_openers(answer: object) -> tuple[str, ...]:
    """Return the instances whose changes opened a circuit, as its hash has them.

    Raises:
        MalformedError: the answer has another form.
    """
    text = texts_by_name("openers", ("openers",), answer)["openers"] or ""
    return _OPENERS.validate_python(text.split(" "))


_OPENERS: Final = TypeAdapter(tuple[OnErrorOmit[InstanceName], ...])


def parse_members(answer: object) -> Iterator[str]:
    """Return the members of a set, which may be keys of circuits.

    Raises:
        MalformedError: it is not a set.
    """
    if not isinstance(answer, list | set):
        raise MalformedError("malformed set of overridden circuits")
    members: Iterable[object] = answer
    return (as_text(member) if isinstance(member, bytes) else "" for member in members)


_TIME: Final[TypeAdapter[tuple[int, int]]] = TypeAdapter(tuple[Number, Number])


def parse_time(answer: object) -> float:
    """Return the seconds of what ``TIME`` answered: seconds and microseconds.

    Raises:
        MalformedError: it is not in the format.
    """
    try:
        seconds, microseconds = _TIME.validate_python(answer)
    except ValidationError as error:
        raise MalformedError.of("time", error) from None
    return seconds + microseconds / 1_000_000
