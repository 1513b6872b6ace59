"""The script of the right to probe, asked with its arguments as they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stopped import Stopped

HASH = "circuit:pay"
VERSION = "1700000000000000"
DAY = 86_400_000
SLACK = 250


def put(
    stopped: Stopped, state: str = "OPEN", *, ended: int = 1000, at: int = 60_000, **more: object
) -> None:
    """Store a state there whose recovery timeout ended ``ended`` ms ago, written ``at`` ms ago."""
    next_attempt = 0 if state == "CLOSED" else stopped.now - ended
    fields = {"state": state, "failures": 3, "successes": 0, "nextAttempt": next_attempt}
    fields |= {"version": VERSION, "writer": "mm", "at": stopped.now - at}
    stopped.ask.delete(HASH)
    stopped.ask.hset(HASH, mapping={**fields, **more})


def ask(
    stopped: Stopped,
    instance: str = "aa",
    *,
    version: str = VERSION,
    writer: str = "mm",
    term: int = 300,
    places: int = 2,
    running: int = 0,
    busy_for: int = 0,
    successes: int = 0,
    own: int | None = 0,
) -> list[str]:
    arguments = (instance, version, writer, term, places, running, busy_for, successes)
    own_too = () if own is None else (own,)
    more = ("circuit#signals", '"pay"', 1, *own_too)
    return stopped.run("lease.lua", (HASH,), *arguments, *more)


def left(stopped: Stopped, field: str) -> str:
    return stopped.hash(HASH).get(field, "")


def probing(running: str, noted: int, until: int) -> str:
    return f"{running}:{noted}:{until}"
