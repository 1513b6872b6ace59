"""The commands that are sent, spelled out."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.evidence import Evidence
from fastapi_hybrid_breaker.core.news import Proposal
from fastapi_hybrid_breaker.core.states import Cause, CircuitState

from .messages import HASH_FIELDS, PROTOCOL
from .scripts import load
from .shared_override import CLEARED
from .values import LONGEST_JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastapi_hybrid_breaker.core.override import OverrideView
    from fastapi_hybrid_breaker.core.shared_run import Report

    from .basic_format import BasicUpdate
    from .names import Names

UNKNOWN: Final = Proposal(
    generation=0,
    state=CircuitState.CLOSED,
    failures=0,
    successes=0,
    remaining=0.0,
    version=0,
    writer="",
)
"""Stands for the state of a circuit in requests that have none."""

NO_OPERATION: Final = "-"

_CIRCUIT: Final = load("circuit.lua")
_EVIDENCE: Final = load("evidence.lua")


class Commands:
    """Makes commands for one instance.

    Args:
        names: the names in Redis.
        instance: who asks.
        newest: returns the highest version that this process has seen.
    """

    def __init__(self, names: Names, instance: str, newest: Callable[[], int]) -> None:
        self.names = names
        self._instance = instance
        self._newest = newest
        self._operations = count(1)

    def new_operation(self) -> str:
        """Return an id by which the script recognises a repeated request."""
        return f"{self._instance}-{next(self._operations)}"

    def read(self, key: str) -> tuple[Any, ...]:
        """Return the command that reads a circuit's hash."""
        return ("HMGET", self.names.hash(key), *HASH_FIELDS)

    def read_override(self, key: str) -> tuple[Any, ...]:
        """Return the command that reads a circuit's override."""
        return ("HGET", self.names.override(key), "override")

    def reset(
        self, key: str, operation: str, *, by: str = "", reason: str = "", ramp: bool = False
    ) -> tuple[Any, ...]:
        """Return the command that closes a circuit; ``by`` and ``reason`` are shown.

        ``ramp``: calls are let back in shares from the moment at which the server has it.
        """
        evidence = Evidence(cause=Cause.RESET, by=by, reason=reason)
        proposal = replace(UNKNOWN, evidence=evidence, let_back_for=0.0 if ramp else None)
        return self.script("reset", key, operation, proposal)

    def overridden(self, keys: Iterable[str], *, wanted: bool) -> tuple[Any, ...]:
        """Return the command that lists circuits among those with an override, or removes them."""
        return ("SADD" if wanted else "SREM", self.names.overridden, *keys)

    def adopt_basic(
        self, key: str, update: BasicUpdate, recovery_timeout: float
    ) -> tuple[Any, ...]:
        """Return the command that adopts a basic update; ``recovery_timeout`` is in seconds."""
        more = (int(update.is_live), round(recovery_timeout * 1000), int(update.may_close))
        return self.script("plain", key, NO_OPERATION, UNKNOWN, basic=more)

    def override(
        self,
        what: str,
        key: str,
        operation: str,
        view: OverrideView | None,
        *,
        by: str = "",
        reason: str = "",
        version: int = 0,
        writer: str = "",
    ) -> tuple[Any, ...]:
        """Return the command that sets, clears (``view`` is None) or writes back an override."""
        if view is None:
            parts: tuple[Any, ...] = (CLEARED, "-", dump_about(by, reason))
        else:
            lasts = "-" if view.remaining is None else max(1, round(view.remaining * 1000))
            kind, about = dump_override(view)
            parts = (kind, lasts, about)
        base = based_on(version, writer)
        return self.script(what, key, operation, base, override=parts)

    def script(
        self,
        what: str,
        key: str,
        operation: str = NO_OPERATION,
        proposal: Proposal = UNKNOWN,
        *,
        basic: tuple[int, int, int] = (0, 0, 0),
        override: tuple[Any, ...] = ("", "-", "{}"),
    ) -> tuple[Any, ...]:
        """Return the command that sends a circuit's state, or (UNKNOWN) none.

        ``basic`` and ``override`` are what the methods above send beside it.
        """
        return _CIRCUIT.command(
            (self.names.hash(key), self.names.override(key)),
            what,
            operation,
            self._instance,
            str(self._newest()),
            str(proposal.version),
            proposal.writer,
            proposal.state.value,
            proposal.failures,
            proposal.successes,
            round(proposal.remaining * 1000),
            self.names.channel,
            json.dumps(key),
            PROTOCOL,
            *basic,
            proposal.reopenings,
            dump_evidence(proposal.evidence),
            *override,
            _ago(proposal.recovered_for),
            _ago(proposal.let_back_for),
        )


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
    basic: tuple[int, float] | None = None,
    stands: float = 0.0,
    objecting: float = 0.0,
    now: float,
) -> tuple[Any, ...]:
    """Return the command for a report, for the confirmation of a run, or for a vote.

    Times travel as how long ago they were: no two clocks are compared.

    Args:
        what: ``report``, ``confirm`` or ``vote``.
        names, instance, key: where, who, and about which circuit.
        version, writer: of the fleet's state that this is about.
        threshold: failures in a row that open the circuit; 0: no such rule.
        number: of the report; one that comes again is known by it.
        report: what is reported.
        basic: consecutive failures that clients of the basic format count, and when.
        stands: seconds for which a vote stands, 0.0: withdrawn.
        objecting: seconds that all must have had to object to a run.
        now: monotonic seconds, as the times in the report are.
    """

    def ago(at: float, unit: float = 1e6) -> int:
        return max(0, round((now - at) * unit))

    failures, success, over_threshold, tallies = "", "-", 0, ""
    if report is not None:
        failures = " ".join(str(ago(at)) for at in report.failures)
        success = "-" if report.success_at is None else str(ago(report.success_at))
        over_threshold = int(report.over_threshold)
        tallies = "\n".join(
            f"{tally.window}|{max(1, round(tally.width * 1000))}|{tally.buckets}"
            f"|{ago(tally.at + tally.width / 2, 1e3)}|{','.join(map(str, tally.kinds))}"
            for tally in report.tallies
        )
    return _EVIDENCE.command(
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
        "-" if basic is None else f"{basic[0]}:{ago(basic[1])}",
        over_threshold,
        tallies,
        round(stands * 1000),
        round(objecting * 1000),
    )


def _ago(seconds: float | None) -> str:
    return "-" if seconds is None else str(round(seconds * 1000))


def based_on(version: int, writer: str) -> Proposal:
    """Return what stands for a known version and nothing else."""
    return Proposal(
        generation=0,
        state=CircuitState.CLOSED,
        failures=0,
        successes=0,
        remaining=0.0,
        version=version,
        writer=writer,
    )


# -- JSON in commands ---------------------------------------------------------------------------

LARGEST_WHY: Final = 1024
"""Characters; a longer one goes without the error's text, and then with the cause alone.

Who acted and why always have room: 200 characters each, none of which is longer than two as JSON.
Nor are they longer than four bytes each, and the script keeps 2048."""


_WHY: Final = tuple(field.name for field in fields(Evidence))


def dump_evidence(evidence: Evidence | None) -> str:
    """Write evidence as JSON, leaving out what is empty; "" for none."""
    if evidence is None:
        return ""
    for shorter in (evidence, replace(evidence, error=""), Evidence(cause=evidence.cause)):
        said = {name: getattr(shorter, name) for name in _WHY if getattr(shorter, name)}
        # Not as ASCII: escapes are six bytes a letter, and the size is limited.
        text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        if len(text) <= LARGEST_WHY and len(text.encode()) <= LONGEST_JSON:
            break
    return text


def dump_override(view: OverrideView) -> tuple[str, str]:
    """Write an override's kind, and the JSON of who and why."""
    if view.kind.state is not None:
        return view.kind.value, dump_about(view.by, view.reason)
    return CLEARED, dump_about(view.by, view.reason, mode=view.kind.value)


def dump_about(by: str, reason: str, **mode: str) -> str:
    """Write who and why as JSON; a mode stands first, where the script looks for it."""
    said = {**mode, "by": by, "reason": reason}
    # Not as ASCII: escapes are six bytes a letter, and the size is limited.
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))
