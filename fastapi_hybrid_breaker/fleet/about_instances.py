"""What the server knows of the instances that live, and what they report of themselves."""

# No "from __future__ import annotations" here: pydantic reads the annotations at run time.

from typing import Annotated, ClassVar, Final

from pydantic import BeforeValidator, Field, OnErrorOmit, TypeAdapter, ValidationError

from fastapi_hybrid_breaker.core.states import CircuitState

from .instances import Instance, UnhealthyCircuit
from .values import (
    MOST_COUNTED,
    ExactTime,
    InstanceName,
    Key,
    MalformedError,
    Number,
    OrElse,
    WireModel,
    read_json,
    wire_names,
)

LARGEST_ABOUT: Final = 4096
"""Bytes that an instance may report of itself."""


def _printable(most: int) -> BeforeValidator:
    def read(value: object) -> str:
        text = value[:most] if isinstance(value, str) else ""
        return "".join(char if char.isprintable() else " " for char in text)

    return BeforeValidator(read)


_Exactly = Annotated[int, Field(strict=True, ge=0, le=MOST_COUNTED)]
_Rate = Annotated[float, Field(strict=True, ge=0, lt=1e12)]


class AboutInstance(WireModel):
    """What an instance reports of itself, to be shown; see ``Instance``.

    ``circuits``: state and rejections per second by key; ``ready``: those of them that are ready
    to probe; ``shadow``: calls that would have been rejected, and failures among them.
    """

    what: ClassVar[str] = "instance"

    host: Annotated[str, _printable(255)] = ""
    started: ExactTime = 0.0
    version: Annotated[str, _printable(64)] = ""
    circuits: Annotated[
        dict[OnErrorOmit[Key], OnErrorOmit[tuple[CircuitState, _Rate]]] | None, OrElse(None)
    ] = None
    more: Annotated[_Exactly, OrElse(0)] = 0
    ready: Annotated[frozenset[OnErrorOmit[Key]], OrElse(frozenset())] = frozenset()
    shadow: Annotated[
        dict[OnErrorOmit[Key], OnErrorOmit[tuple[_Exactly, _Exactly]]] | None, OrElse(None)
    ] = None

    def unhealthy(self) -> dict[str, UnhealthyCircuit] | None:
        """Return the circuits that it reports; None: it runs a version that does not."""
        if self.circuits is None:
            return None
        return {
            key: UnhealthyCircuit(state, rejecting, key in self.ready, *self._shadowed(key))
            for key, (state, rejecting) in self.circuits.items()
        }

    def _shadowed(self, key: str) -> tuple[int | None, int]:
        calls, failed = (self.shadow or {}).get(key, (None, 0))
        return (None, 0) if calls is None or failed > calls else (calls, failed)


def parse_instance(
    name: str, last_seen: str, about: str, *, server_now: float, lost_after: float
) -> Instance:
    """Read what the server knows of one instance.

    ``lost_after``: seconds without a heartbeat after which it counts as isolated.

    Raises:
        MalformedError: it is not in the format.
    """
    try:
        _INSTANCE_NAME.validate_python(name)
        seen_at = _MILLISECONDS.validate_python(last_seen) / 1000
    except ValidationError as error:
        raise MalformedError.of("instance", error) from None
    said = AboutInstance.read(read_json("instance", about.encode(errors="replace"), LARGEST_ABOUT))
    return Instance(
        id=name,
        host=said.host,
        started=said.started,
        last_seen=seen_at,
        sync="isolated" if server_now - seen_at > lost_after else "connected",
        library=said.version,
        circuits=said.unhealthy(),
        more=0 if said.circuits is None else said.more,
    )


_INSTANCE_NAME: Final[TypeAdapter[str]] = TypeAdapter(InstanceName)
_MILLISECONDS: Final[TypeAdapter[int]] = TypeAdapter(Number)


def parse_pairs(answer: object) -> dict[str, str]:
    """Read names and values by turns, or by pairs.

    Raises:
        MalformedError: it is not a list.
    """
    if isinstance(answer, dict):
        answer = [part for pair in answer.items() for part in pair]
    if not isinstance(answer, list):
        raise MalformedError("malformed list of instances")
    texts = [
        one.decode(errors="replace") if isinstance(one, bytes) else str(one)
        for part in answer
        for one in (part if isinstance(part, tuple | list) else (part,))
    ]
    return dict(zip(texts[::2], texts[1::2], strict=False))


class HeartbeatReply(WireModel):
    """The answer of ``heartbeat.lua``: how many live, and 1 if the server did not know us."""

    what: ClassVar[str] = "answer of heartbeat.lua"

    live: Number
    is_new: Number


def parse_heartbeat(answer: object) -> HeartbeatReply:
    """Read the answer of ``heartbeat.lua``, whose values are integers.

    Raises:
        MalformedError: it is not in the format.
    """
    if not isinstance(answer, list) or len(answer) != 2:
        raise MalformedError(f"malformed {HeartbeatReply.what}: not 2 values")
    return HeartbeatReply.read(dict(zip(wire_names(HeartbeatReply), answer, strict=True)))
