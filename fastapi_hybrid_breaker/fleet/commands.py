"""The commands that are sent, spelled out."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.evidence import Evidence
from fastapi_hybrid_breaker.core.news import Proposal
from fastapi_hybrid_breaker.core.states import Cause, CircuitState

from .evidence_wire import dump_evidence
from .hash_wire import HASH_FIELDS
from .override_wire import CLEARED, dump_about, dump_override
from .scripts import load
from .wire import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastapi_hybrid_breaker.core.override import OverrideView

    from .errand import Plain
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
"""Stands for the state of a circuit where the script is not told any."""

NO_OPERATION: Final = "-"

_CIRCUIT: Final = load("circuit.lua")


class Commands:
    """Makes commands for one instance.

    Args:
        names: the names in Redis.
        instance: who asks.
        newest: gives the highest version that this process has seen.
    """

    def __init__(self, names: Names, instance: str, newest: Callable[[], int]) -> None:
        self.names = names
        self._instance = instance
        self._newest = newest
        self._operations = count(1)

    def new_operation(self) -> str:
        """Give an id by which the script knows a repeated request."""
        return f"{self._instance}-{next(self._operations)}"

    def read(self, key: str) -> tuple[Any, ...]:
        """Read a circuit's hash."""
        return ("HMGET", self.names.hash(key), *HASH_FIELDS)

    def read_override(self, key: str) -> tuple[Any, ...]:
        """Read what the register says of a circuit."""
        return ("HGET", self.names.override(key), "override")

    def script(
        self, what: str, key: str, operation: str = NO_OPERATION, proposal: Proposal = UNKNOWN
    ) -> tuple[Any, ...]:
        """Tell the script of a circuit's state, or (UNKNOWN) ask it about it."""
        return self._script(what, key, operation, proposal)

    def reset(
        self, key: str, operation: str, *, by: str = "", reason: str = "", ramp: bool = False
    ) -> tuple[Any, ...]:
        """Close a circuit whatever its state; ``by`` and ``reason`` are shown.

        ``ramp``: calls are let back in shares from the moment at which the server has it.
        """
        evidence = Evidence(cause=Cause.RESET, by=by, reason=reason)
        proposal = replace(UNKNOWN, evidence=evidence, let_back_for=0.0 if ramp else None)
        return self._script("reset", key, operation, proposal)

    def overridden(self, keys: Iterable[str], *, wanted: bool) -> tuple[Any, ...]:
        """Have circuits among those that have an override, or not."""
        return ("SADD" if wanted else "SREM", self.names.overridden, *keys)

    def plain(self, key: str, plain: Plain, recovery_timeout: float) -> tuple[Any, ...]:
        """Have what a plain speaker wrote adopted; ``recovery_timeout`` is in seconds."""
        more = (int(plain.is_live), round(recovery_timeout * 1000), int(plain.may_close))
        return self._script("plain", key, NO_OPERATION, UNKNOWN, plain=more)

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
        """Set, clear (None: ``by`` and ``reason`` say who and why) or write back an override."""
        if view is None:
            told: tuple[Any, ...] = (CLEARED, "-", dump_about(by, reason))
        else:
            lasts = "-" if view.remaining is None else max(1, round(view.remaining * 1000))
            kind, about = dump_override(view)
            told = (kind, lasts, about)
        base = based_on(version, writer)
        return self._script(what, key, operation, base, override=told)

    def _script(
        self,
        what: str,
        key: str,
        operation: str,
        proposal: Proposal,
        *,
        plain: tuple[int, int, int] = (0, 0, 0),
        override: tuple[Any, ...] = ("", "-", "{}"),
    ) -> tuple[Any, ...]:
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
            *plain,
            proposal.reopenings,
            dump_evidence(proposal.evidence),
            *override,
            _ago(proposal.recovered_for),
            _ago(proposal.let_back_for),
        )


def _ago(seconds: float | None) -> str:
    return "-" if seconds is None else str(round(seconds * 1000))


def based_on(version: int, writer: str) -> Proposal:
    """Stand for nothing but a version that is known."""
    return Proposal(
        generation=0,
        state=CircuitState.CLOSED,
        failures=0,
        successes=0,
        remaining=0.0,
        version=version,
        writer=writer,
    )
