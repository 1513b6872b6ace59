"""Signals: short messages about a circuit that is being decided on, on a channel of their own.

On the circuits' channel they would meet services that know only the plain format, and of those
some take every message for a circuit's state.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NoReturn, cast, get_args

from .fields import VERSION_LIMIT, MalformedError, number

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
_MOST: Final = 10**12
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
    try:
        said = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"a signal that is no JSON: {error}") from None
    if not isinstance(said, dict) or not _is_name(said.get("signal")):
        raise MalformedError("a signal that is none")
    name = cast("SignalName", said["signal"])
    if name == "tick":
        return Signal(name, live=int(number("live", said.get("live"), 0, _MOST_LIVE)))
    key, writer, by = said.get("key"), said.get("writer"), said.get("by", "")
    if not isinstance(key, str) or not isinstance(writer, str) or not isinstance(by, str):
        raise MalformedError("a signal about no circuit")
    return Signal(
        name,
        key,
        int(number("version", said.get("version"), 0, VERSION_LIMIT)),
        writer,
        number("ms", said.get("ms"), 0, _DAY) / 1000,
        by=by,
        running=_parse_running(said.get("running")),
        successes=int(number("successes", said.get("successes"), 0, _MOST)),
        at=number("at", said.get("at"), 0, 2**53) / 1000,
    )


def _parse_running(running: object) -> dict[str, int]:
    if running is None:
        return {}
    if not isinstance(running, dict):
        raise MalformedError("probes that run nowhere")
    return {who: int(number("probes", many, 0, _MOST)) for who, many in running.items()}


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value in _NAMES


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
