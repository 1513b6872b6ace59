"""Reports on their way to the script that adds them up, and its answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.run import RUN_LIFE

from .fields import MOST_COUNTED, MalformedError, is_name, read_count, read_number
from .scripts import load
from .wire import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi_hybrid_breaker.core.contribution import Report

    from .names import Names

_SCRIPT: Final = load("evidence.lua")
_KINDS: Final = 5
_FAILURE: Final = re.compile(r"([0-9]+):([0-9A-Za-z]+)")
_PLAIN: Final = re.compile(r"([0-9]+):([0-9]+)")
_VOTE: Final = re.compile(r"([0-9A-Za-z]+):([0-9]+)")


SUSPECT_LIFE: Final = 1.0
"""Seconds after which a run is announced as suspect again; the script's ``SUSPECT_LIFE``."""


VOTE_FIELDS: Final = (":of", ":votes")
"""What ``parse_votes`` reads of the evidence."""


RUN_FIELDS: Final = (":of", ":run", ":plain", ":suspect")
"""What ``parse_run`` reads of it."""


@dataclass(frozen=True, slots=True)
class RunUnderWay:
    """A run of failures that the fleet is counting.

    Args:
        lasts: seconds since its first failure.
        is_suspect: it is long enough to open the circuit, and others may object just now.
    """

    lasts: float
    is_suspect: bool


@dataclass(frozen=True, slots=True)
class Sums:
    """What the fleet has counted of a circuit.

    Args:
        status: done, unsaid, stale, missing, confirmed or refused.
        run: failures in a row.
        suspect: seconds since the run is long enough to open the circuit; None: it is not.
        hot: seconds since calls are being added up; None: they are not.
        votes: instances that have opened it for themselves.
        calls: by window and kind, of the windows of the report.
    """

    status: str
    run: int
    suspect: float | None
    hot: float | None
    votes: int
    calls: Mapping[str, tuple[int, ...]]


def report_command(  # noqa: PLR0913 - what travels in one command
    what: str,
    names: Names,
    instance: str,
    key: str,
    *,
    version: int,
    writer: str,
    threshold: int = 0,
    number: int = 0,
    report: Report | None = None,
    plain: tuple[int, float] | None = None,
    stands: float = 0.0,
    objecting: float = 0.0,
    now: float,
) -> tuple[Any, ...]:
    """Give the command for a report, for the confirmation of a run, or for a vote.

    Times travel as how long ago they were: no two clocks are compared.

    Args:
        what: ``report``, ``confirm`` or ``vote``.
        names, instance, key: where, who, and about which circuit.
        version, writer: of the fleet's state that this is about.
        threshold: failures in a row that open the circuit; 0: no such rule.
        number: of the report; one that comes again is known by it.
        report: what is told.
        plain: failures in a row that plain speakers count, and when.
        stands: seconds for which a vote stands, 0.0: withdrawn.
        objecting: seconds that all must have had to object to a run.
        now: monotonic seconds, as the times in the report are.
    """

    def ago(at: float, unit: float = 1e6) -> int:
        return max(0, round((now - at) * unit))

    failures, success, troubled, tallies = "", "-", 0, ""
    if report is not None:
        failures = " ".join(str(ago(at)) for at in report.failures)
        success = "-" if report.success_at is None else str(ago(report.success_at))
        troubled = int(report.is_troubled)
        tallies = "\n".join(
            f"{tally.window}|{max(1, round(tally.width * 1000))}|{tally.buckets}"
            f"|{ago(tally.at + tally.width / 2, 1e3)}|{','.join(map(str, tally.kinds))}"
            for tally in report.tallies
        )
    return _SCRIPT.command(
        (names.hash(key), names.evidence(key)),
        what,
        instance,
        number,
        str(version),
        writer,
        names.signals,
        json.dumps(key),
        PROTOCOL,
        threshold,
        failures,
        success,
        "-" if plain is None else f"{plain[0]}:{ago(plain[1])}",
        troubled,
        tallies,
        round(stands * 1000),
        round(objecting * 1000),
    )


def parse_sums(answer: Any) -> Sums:
    """Read an answer of the script.

    Raises:
        MalformedError: it is none.
    """
    if not isinstance(answer, list) or len(answer) < 5 or len(answer) % 2 == 0:
        raise MalformedError(f"an answer of the script that is none: {answer!r:.200}")
    try:
        status, *texts = (one.decode() for one in answer)
    except (UnicodeDecodeError, AttributeError):
        raise MalformedError("an answer of the script that is no text") from None
    run, suspect, hot, votes = (
        -1 if text == "-1" else read_number("count", text) for text in texts[:4]
    )
    calls = {}
    for window, kinds in zip(texts[4::2], texts[5::2], strict=True):
        counted = tuple(read_count("calls", one) for one in kinds.split(","))
        if len(counted) == _KINDS:
            calls[window] = counted
    return Sums(
        status,
        run=min(run, MOST_COUNTED),
        suspect=suspect / 1000 if suspect >= 0 else None,
        hot=hot / 1000 if hot >= 0 else None,
        votes=min(votes, MOST_COUNTED),
        calls=calls,
    )


def parse_run(answer: Any, state: tuple[int, str], server_now: float) -> RunUnderWay | None:
    """Return the run of failures that is being counted under ``state``, version and writer.

    None: there is none.

    Raises:
        MalformedError: it is no answer to such a question.
    """
    if not isinstance(answer, list) or len(answer) != len(RUN_FIELDS):
        raise MalformedError("a run that is none")
    about, run, plain, suspect = map(_text, answer)
    if about != f"{state[0]}|{state[1]}":
        return None
    # As in the script: what is malformed is not there.
    moments = [_whole(at) for at, _ in _FAILURE.findall(run)]
    counted = _PLAIN.fullmatch(plain)
    if counted is not None and _whole(counted[1]):
        moments.append(_whole(counted[2]))
    ages = [server_now - at / 1e6 for at in moments]
    ages = [age for age in ages if age <= RUN_LIFE]
    if not ages:
        return None
    said = server_now - _whole(suspect) / 1000
    return RunUnderWay(max(0.0, *ages), is_suspect=said <= SUSPECT_LIFE)


def parse_votes(answer: Any, state: tuple[int, str] | None, server_now: float) -> tuple[str, ...]:
    """Read which instances have opened a circuit for themselves alone.

    ``state`` is the fleet's that their votes must be about, by version and writer; None: any.
    """
    if not isinstance(answer, list) or len(answer) != len(VOTE_FIELDS):
        raise MalformedError("votes that are none")
    about, votes = map(_text, answer)
    if state is not None and about != f"{state[0]}|{state[1]}":
        return ()
    return tuple(
        instance
        for instance, until in _VOTE.findall(votes)
        if is_name(instance) and _whole(until) / 1000 > server_now
    )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def _whole(text: str) -> int:
    """Return a number, or 0 for anything else, as the script does."""
    try:
        return read_number("number", text)
    except MalformedError:
        return 0
