"""Signals: short messages about a circuit that is being decided on, on a channel of their own.

On the circuits' channel they would meet services that know only the plain format, and of those
some take every message for a circuit's state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from .fields import (
    VERSION_LIMIT,
    MalformedError,
    read_count,
    read_exact_time,
    read_json,
    read_number,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

SignalName = Literal[
    "armed",  # failures are being counted: note when successes are
    "suspect",  # enough of them: whoever had a success since objects
    "end",  # there was one
    "hot",  # calls are being added up: tell them
    "probing",  # probes run
    "tick",  # the channel works
]

_NAMES: Final = frozenset(get_args(SignalName))
_LARGEST: Final = 4 * 1024
_MOST_LIVE: Final = 10**6
_DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal.

    Args:
        name: what it says.
        key: of the circuit, "" for a tick. Not checked: what no circuit has is nobody's signal.
        version, writer: of the circuit's state that it is about; 0 and "" for one never shared.
        seconds: armed, hot, probing: how long that lasts; suspect: how long ago the first
            failure was.
        live: tick: how many instances live.
        by: probing: the instance where they run.
        running: probing: how many probes run, by instance.
        successes: probing: how many have succeeded in this recovery.
        at: probing: when it was sent, by the server's clock, epoch seconds; 0.0 from versions up
            to 0.3, which say only that some run, and never that they have ended.
    """

    name: SignalName
    key: str = ""
    version: int = 0
    writer: str = ""
    seconds: float = 0.0
    live: int = 0
    by: str = ""
    running: Mapping[str, int] = field(default_factory=dict)
    successes: int = 0
    at: float = 0.0


def parse_signal(data: object) -> Signal:
    """Read a message of the channel for signals.

    Raises:
        MalformedError: it is not in the format.
    """
    if not isinstance(data, bytes) or len(data) > _LARGEST:
        raise MalformedError("a signal too large")
    said = read_json("a signal", data)
    if not isinstance(said, dict) or not _is_name(said.get("signal")):
        raise MalformedError("a signal that is none")
    name = cast("SignalName", said["signal"])
    if name == "tick":
        return Signal(name, live=read_number("live", said.get("live"), _MOST_LIVE))
    key, writer, by = said.get("key"), said.get("writer"), said.get("by", "")
    if not isinstance(key, str) or not isinstance(writer, str) or not isinstance(by, str):
        raise MalformedError("a signal about no circuit")
    return Signal(
        name,
        key,
        read_number("version", said.get("version"), VERSION_LIMIT),
        writer,
        read_number("ms", said.get("ms"), _DAY) / 1000,
        by=by,
        running=_parse_running(said.get("running")),
        successes=read_count("successes", said.get("successes")),
        at=read_exact_time("at", said.get("at")) / 1000,
    )


def _parse_running(running: object) -> dict[str, int]:
    if running is None:
        return {}
    if not isinstance(running, dict):
        raise MalformedError("probes that run nowhere")
    return {who: read_count("probes", many) for who, many in running.items()}


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value in _NAMES
