"""The tables of calls in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.calls.cases import BY_HAND, BY_KEY, FLOOR
from benchmarks.peers.ours import NAME

from .tables import Table, duration, three

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.parts import Figures

ASYNC_WAYS = ("call", "decorator", "async with", "execute", BY_KEY)
SYNC_WAYS = ("sync call", "sync decorator")


class Calls:
    """The lines of the part ``calls``, to be looked up."""

    def __init__(self, figures: Figures) -> None:
        self.lines: list[dict[str, Any]] = figures["lines"]
        self.notes: dict[str, str] = figures["notes"]
        self._found = {
            (line["who"], line["state"], line["way"], line["rule"]): line for line in self.lines
        }

    def get(self, who: str, state: str, way: str, rule: str = "default") -> dict[str, Any] | None:
        """Return a line, or None where there is no such case."""
        return self._found.get((who, state, way, rule))

    def low(self, who: str, state: str, way: str, rule: str = "default") -> float | None:
        """Return the 10th percentile, in nanoseconds."""
        line = self.get(who, state, way, rule)
        return None if line is None else float(line["p10_ns"])

    def best(
        self, who: str, state: str, ways: Iterable[str], rule: str = "default"
    ) -> dict[str, Any] | None:
        """Return the fastest of several ways."""
        lines = [line for way in ways if (line := self.get(who, state, way, rule))]
        return min(lines, key=lambda line: line["p10_ns"], default=None)

    def everybody(self) -> list[str]:
        """Name all, in the order in which they were measured."""
        return list(dict.fromkeys(line["who"] for line in self.lines))

    def peers(self) -> list[str]:
        """Name the peers."""
        return [who for who in self.everybody() if who not in {NAME, FLOOR, BY_HAND}]


def tables(figures: Figures) -> list[Table]:
    """Return all tables of this part."""
    calls = Calls(figures)
    return [_closed(calls), _states(calls), _rates(calls), _sync(calls), _ours(calls)]


def _closed(calls: Calls) -> Table:
    rows = [
        (who, *(_cell(calls.get(who, "closed", way)) for way in ASYNC_WAYS))
        for who in _by_speed(calls, "closed", ASYNC_WAYS)
    ]
    return Table("Closed, a call that succeeds", ("", *ASYNC_WAYS), tuple(rows), _notes(calls))


def _states(calls: Calls) -> Table:
    rows = []
    for who in _by_speed(calls, "open", ("call", "decorator")):
        cells = [calls.best(who, state, ("call", "decorator")) for state in _STATES]
        rows.append((who, *(_cell(cell) for cell in cells)))
    note = (
        "Rejected: with the caller's `try`. Half-open: each call is a probe; it succeeds where the"
        " library takes as many successes as it is configured to close, and fails where the first"
        " success closes it."
    )
    return Table(
        "A call that fails, is rejected, or probes", ("", *_STATES.values()), tuple(rows), note
    )


_STATES = {"failing": "fails", "open": "rejected", "half-open": "half-open"}


def _rates(calls: Calls) -> Table:
    rows = tuple(
        (
            who,
            *(_cell(calls.get(who, "closed", way, "rates")) for way in ASYNC_WAYS),
            _cell(calls.best(who, "failing", ("call", "decorator"), "rates")),
        )
        for who in _by_speed(calls, "closed", ASYNC_WAYS, "rates")
    )
    columns = ("", *ASYNC_WAYS, "fails")
    return Table("Failure rate and slow-call rate over ten seconds", columns, rows)


def _sync(calls: Calls) -> Table:
    rows = []
    for who in _by_speed(calls, "closed", SYNC_WAYS):
        others = [calls.best(who, state, SYNC_WAYS) for state in _STATES]
        closed = [calls.get(who, "closed", way) for way in SYNC_WAYS]
        rows.append((who, *(_cell(cell) for cell in (*closed, *others))))
    return Table("Sync calls", ("", *SYNC_WAYS, *_STATES.values()), tuple(rows))


def _ours(calls: Calls) -> Table:
    rows = []
    for line in calls.lines:
        if line["who"] not in {NAME, FLOOR, BY_HAND}:
            continue
        who = "" if line["who"] == NAME else f"{line['who']}: "
        rule = ", rates" if line["rule"] == "rates" else ""
        rows.append(
            (
                f"{who}{line['state']}, {line['way']}{rule}",
                duration(line["median_ns"]),
                duration(line["p10_ns"]),
                duration(line["p90_ns"]),
                three(line["ratio"]),
                three(line["ratio_of_medians"]),
            )
        )
    columns = ("", "median", "10th percentile", "90th", "× bare", "of medians")
    return Table("All of ours, with the spread of the rounds", columns, tuple(rows))


def _by_speed(calls: Calls, state: str, ways: tuple[str, ...], rule: str = "default") -> list[str]:
    """Name those that have such a case; the bare call first, the slowest last."""
    best = {who: calls.best(who, state, ways, rule) for who in calls.everybody()}
    found = {who: line["p10_ns"] for who, line in best.items() if line is not None}
    return sorted(found, key=lambda who: (who != FLOOR, found[who]))


def _cell(line: dict[str, Any] | None) -> str:
    if line is None:
        return "–"
    return f"{duration(line['p10_ns'])} ({three(line['ratio'])})"


def _notes(calls: Calls) -> str:
    notes = "; ".join(f"{who}: {note}" for who, note in calls.notes.items())
    return (
        f"Time (ratio to the bare await). {notes}." if notes else "Time (ratio to the bare await)."
    )
