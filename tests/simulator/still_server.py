"""The simulator's server, whose clock stands still where a test wants it to."""

from __future__ import annotations

import json
from typing import Any

from fastapi_hybrid_breaker.core.news import Proposal
from fastapi_hybrid_breaker.core.override import OverrideKind, OverrideView
from fastapi_hybrid_breaker.core.shared_run import Report
from fastapi_hybrid_breaker.core.states import CircuitState
from fastapi_hybrid_breaker.fleet.answers import Reply, parse_reply
from fastapi_hybrid_breaker.fleet.commands import Commands, report_command
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.scripts import by_sha
from simulator.process import BEGAN
from simulator.server.store import Store

KEY = "inventory-api"
NAMES = Names("circuit")
OPEN, CLOSED, HALF_OPEN = CircuitState.OPEN, CircuitState.CLOSED, CircuitState.HALF_OPEN


class Server:
    """A server with one circuit; ``newest`` is the highest version that is given to scripts."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.signals: list[dict[str, Any]] = []
        self.store = Store(lambda: self.seconds, self._publish)
        self.newest = 0
        self.commands = Commands(NAMES, "asks", lambda: self.newest)

    def _publish(self, channel: str, data: bytes) -> int:
        if channel == NAMES.signals:
            self.signals.append(json.loads(data))
        return 0

    def run(self, command: tuple[Any, ...]) -> list[str]:
        text = by_sha(command[1]).text
        return [one.decode() for one in self.store.execute(("EVAL", text, *command[2:]))]

    def put(
        self,
        version: int,
        writer: str = "mm",
        state: CircuitState = OPEN,
        *,
        left: float = 0.0,
        at: float = 0.0,
    ) -> None:
        """Store a state, with ``left`` seconds until its end, written at ``at`` seconds."""
        ends = round((BEGAN + self.seconds + left) * 1000) if state is not CLOSED else 0
        four = (state.value, "3", "0", str(ends))
        plain = zip(("state", "failures", "successes", "nextAttempt"), four, strict=True)
        ours = {"version": version, "writer": writer, "at": round((BEGAN + at) * 1000)}
        fields = {**dict(plain), **ours, "sum": "|".join(four), "p": 1, "reopened": 0, "why": ""}
        pairs = [one for pair in fields.items() for one in pair]
        self.store.execute(("HSET", NAMES.hash(KEY), *pairs))

    def put_override(self, version: int, writer: str = "mm", kind: str = "disabled") -> None:
        register = f'{version}|{writer}|{kind}|0|{{"by":"x","reason":"y"}}'
        self.store.execute(("HSET", NAMES.override(KEY), "override", register))

    def ask(self, what: str, version: int, writer: str = "mm", state: CircuitState = OPEN) -> Reply:
        told = Proposal(0, state, 3, 0, 5.0 if state is OPEN else 0.0, version, writer)
        operation = self.commands.new_operation()
        return parse_reply(
            [one.encode() for one in self.run(self.commands.script(what, KEY, operation, told))]
        )

    def restore_override(self, version: int, writer: str) -> Reply:
        view = OverrideView(OverrideKind.FORCED_OPEN, "ann", "t", None)
        command = self.commands.override(
            "restore_override", KEY, "-", view, version=version, writer=writer
        )
        return parse_reply([one.encode() for one in self.run(command)])

    def lease(self, version: int, writer: str, *, instance: str = "asks", running: int = 0) -> str:
        from fastapi_hybrid_breaker.fleet.leases import _SCRIPT  # noqa: PLC0415

        arguments = (instance, str(version), writer, 300, 2, running, 1000, 0, NAMES.signals)
        status, *_ = self.run(_SCRIPT.command((NAMES.hash(KEY),), *arguments, '"k"', 1, 0))
        return status

    def evidence(
        self,
        what: str,
        version: int,
        writer: str = "mm",
        *,
        failures: int = 0,
        number: int = 1,
        ago: float = 0.0,
        success_ago: float | None = None,
    ) -> list[str]:
        report = Report(
            generation=0,
            version=version,
            writer=writer,
            threshold=3,
            failures=(-ago,) * failures,
            success_at=None if success_ago is None else -success_ago,
            tallies=(),
            over_threshold=False,
        )
        told = {"threshold": 3, "number": number, "report": report, "objecting": 0.14}
        return self.run(
            report_command(
                what, NAMES, "asks", KEY, version=version, writer=writer, now=0.0, **told
            )
        )
