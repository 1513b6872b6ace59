"""The script that writes a circuit's state, asked with its arguments as they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .stopped import CHANNEL

if TYPE_CHECKING:
    from .stopped import Stopped

HASH, OVERRIDE = "circuit:pay", "circuit#override:{circuit:pay}"
DAY = 86_400_000
HOUR = 3_600_000
WEEK = 7 * DAY

ANN = '{"by":"ann","reason":"x"}'
SHADOW = '{"mode":"shadow","by":"ann","reason":"x"}'
OVER = SHADOW.replace("shadow", "-")

_ANSWER = (
    *("status", "version", "writer", "state", "failures", "successes", "nextAttempt", "at"),
    *("us", "reopened", "why", "override", "closedAt", "ramp"),
)


@dataclass
class CircuitScript:
    """A circuit, and instances that ask for things; ``beside`` is where its override is kept."""

    stopped: Stopped
    beside: str = OVERRIDE
    operations: int = 0

    @property
    def now(self) -> int:
        return self.stopped.now

    @property
    def us(self) -> int:
        return self.stopped.us

    def ask(
        self,
        what: str,
        *,
        operation: str = "",
        instance: str = "aa",
        seen: int = 0,
        version: int | str = 0,
        writer: str = "",
        state: str = "OPEN",
        failures: int = 3,
        successes: int = 0,
        wait: int = 5000,
        live: int = 0,
        timeout: int = 5000,
        may_close: int = 0,
        reopened: int = 0,
        why: str = "",
        kind: str = "-",
        lasts: int | str = "-",
        about: str = '{"by":"ann","reason":"x"}',
        recovered: int | str = "-",
        ramp: int | str = "-",
    ) -> dict[str, str]:
        """Return the answer by its parts; each request is an operation of its own."""
        self.operations += 1
        arguments = (
            *(what, operation or f"{instance}-{self.operations}", instance, seen),
            *(version, writer, state, failures, successes, wait),
            *(CHANNEL, '"pay"', 1, live, timeout, may_close, reopened, why),
            *(kind, lasts, about, recovered, ramp),
        )
        answer = self.stopped.run("circuit.lua", (HASH, self.beside), *arguments)
        return dict(zip(_ANSWER, answer, strict=True))

    def status(self, what: str, **more: Any) -> str:
        return self.ask(what, **more)["status"]

    def on(self, answer: dict[str, str]) -> dict[str, str]:
        """Return the arguments by which a request builds on what an answer said."""
        return {"version": answer["version"], "writer": answer["writer"]}

    def hash(self) -> dict[str, str]:
        return self.stopped.hash(HASH)

    def register(self) -> str:
        return self.stopped.hash(self.beside).get("override", "")

    def put(
        self,
        state: str = "OPEN",
        *,
        left: int = 10_000,
        at: int = 0,
        version: int | None = None,
        **more: object,
    ) -> str:
        """Store a state there as the script writes it, and return its version."""
        next_attempt = 0 if state == "CLOSED" else self.now + left
        name = str(self.us - 1000 if version is None else version)
        fields = {"state": state, "failures": 3, "successes": 0, "nextAttempt": next_attempt}
        four = f"{state}|3|0|{next_attempt}"
        ours = {"version": name, "writer": "mm", "at": self.now - at, "sum": four, "p": 1}
        self.stopped.ask.delete(HASH, self.beside)
        self.stopped.ask.hset(HASH, mapping={**fields, **ours, "reopened": 0, "why": "", **more})
        return name

    def basic(
        self, state: str, next_attempt: int = 0, failures: int = 3, successes: int = 0
    ) -> None:
        """Write as a service of the basic format does."""
        fields = {"state": state, "failures": failures, "successes": successes}
        self.stopped.ask.hset(HASH, mapping={**fields, "nextAttempt": next_attempt})

    def told(self) -> dict[str, Any]:
        """Return the one message that was published since."""
        [message] = self.stopped.published()
        return message
