"""The script of what instances count together, asked with its arguments as they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stopped import Stopped

HASH, EVIDENCE = "circuit:pay", "circuit#evidence:{circuit:pay}"
VERSION = "1700000000000000"
HOUR = 3_600_000
LIFE = 2 * HOUR
ARMED, END = ("armed", HOUR), ("end", 0)


def put(stopped: Stopped, version: str = VERSION, writer: str = "mm") -> None:
    fields = {"state": "CLOSED", "version": version, "writer": writer}
    stopped.ask.hset(HASH, mapping=fields)


class Asker:
    """An instance that numbers its reports."""

    def __init__(self, stopped: Stopped, name: str = "aa", evidence: str = EVIDENCE) -> None:
        self.stopped = stopped
        self.name = name
        self.number = 0
        self.evidence = evidence

    def ask(
        self,
        what: str = "report",
        *,
        version: str = VERSION,
        writer: str = "mm",
        threshold: int = 3,
        failures: tuple[int, ...] = (),
        success: int | None = None,
        plain: str = "-",
        rate: int = 0,
        calls: str = "",
        stands: int = 0,
        objecting: int = 140,
        again: bool = False,
    ) -> list[Any]:
        self.number += not again
        arguments = (
            *(what, self.name, self.number, version, writer, "circuit#signals", '"pay"', 1),
            *(threshold, " ".join(map(str, failures)), "-" if success is None else success),
            *(plain, rate, calls, stands, objecting),
        )
        return self.stopped.run("evidence.lua", (HASH, self.evidence), *arguments)

    def fails(self, *ago: int, **more: Any) -> str:
        """Report failures of so long ago (us), and return how many count."""
        return str(self.ask(failures=ago or (0,), **more)[1])


def names(stopped: Stopped) -> list[tuple[str, int]]:
    published = stopped.published()
    for one in published:
        assert one == {
            "p": 1,
            "key": "pay",
            "signal": one["signal"],
            "version": VERSION,
            "writer": "mm",
            "ms": one["ms"],
        }
    return [(one["signal"], one["ms"]) for one in published]
