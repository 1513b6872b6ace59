"""The targets, what was reached, and whether that will do. Nothing fails by them.

They are budgets: within them the simpler code wins, whatever a quicker one would save.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmarks.calls.cases import BY_HAND, BY_KEY, FLOOR, ROUTED
from benchmarks.peers.ours import NAME

from .calls import SYNC_WAYS, Calls
from .tables import Table, three

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.parts import Figures

_AWAITED = ("call", "decorator")


@dataclass(frozen=True)
class Reached:
    """A target and what was measured.

    Args:
        what: what is to be reached.
        limit: the figure.
        kind: whether more or less is better.
        value: what was reached.
        about: what the reader may want to know of it.
    """

    what: str
    limit: float
    kind: Literal["at most", "at least"]
    value: float
    about: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether it was reached."""
        return self.value <= self.limit if self.kind == "at most" else self.value >= self.limit


def table(parts: dict[str, Figures]) -> Table:
    """Return the table of all targets that the measured parts say something of."""
    rows = tuple(
        (
            one.what,
            f"{one.kind} {three(one.limit)}",
            three(one.value),
            "ok" if one.is_ok else "not ok",
            one.about,
        )
        for one in reached(parts)
    )
    return Table("Targets", ("", "target", "reached", "", ""), rows)


def reached(parts: dict[str, Figures]) -> list[Reached]:
    """Return all targets that the measured parts say something of."""
    found: list[Reached] = []
    if "calls" in parts:
        found += _of_calls(Calls(parts["calls"]))
    if "sharing" in parts:
        found += _of_sharing(parts["sharing"])
    if "routes" in parts:
        found += _of_routes(parts["routes"])
    if "transport" in parts:
        found += _of_transport(parts["transport"])
    if "scale" in parts:
        found += _of_scale(parts["scale"])
    return found


def _of_calls(calls: Calls) -> Iterator[Reached]:
    bare = _known(calls.low(FLOOR, "closed", "call"))

    def ratio(state: str, way: str, rule: str = "default") -> float:
        return _known(calls.low(NAME, state, way, rule)) / bare

    def by_hand(state: str, way: str) -> str:
        low = calls.low(BY_HAND, state, way)
        return "" if low is None else f"by hand: {three(low / bare)}"

    for way in _AWAITED:
        yield Reached(
            f"`{way}`, closed: × bare await",
            3.5,
            "at most",
            ratio("closed", way),
            by_hand("closed", way),
        )
    slower = _slower_peer(calls, "closed", _AWAITED)
    if slower:
        yield Reached("the fastest peer: × our `call`", 2.5, "at least", *slower)
    yield Reached("`call`, a route guards too: × bare", 5.5, "at most", ratio("closed", ROUTED))
    yield Reached("`execute`: × bare", 5.0, "at most", ratio("closed", "execute"))
    yield Reached(f"`{BY_KEY}`: × bare", 10.0, "at most", ratio("closed", BY_KEY))
    yield Reached(
        "`async with`: × bare",
        7.5,
        "at most",
        ratio("closed", "async with"),
        by_hand("closed", "async with"),
    )
    rates = ratio("closed", "call", "rates")
    yield Reached("`call`, rates over a time window: × bare", 20.0, "at most", rates)
    interlock = calls.best("interlock-cb", "closed", _AWAITED, "rates")
    if interlock:
        yield Reached(
            "interlock-cb's rates: × ours", 3.5, "at least", interlock["p10_ns"] / bare / rates
        )
    yield Reached(
        "rejected: × bare", 8.5, "at most", ratio("open", "call"), by_hand("open", "call")
    )
    least = _known(calls.low(BY_HAND, "open", "call"))
    yield Reached("rejected: × by hand", 1.9, "at most", ratio("open", "call") * bare / least)
    slower = _slower_peer(calls, "open", _AWAITED)
    if slower:
        yield Reached("the peer that rejects fastest: × ours", 1.1, "at least", *slower)
    slower = _slower_peer(calls, "closed", SYNC_WAYS)
    if slower:
        yield Reached("the fastest peer: × our `call_sync`", 3.0, "at least", *slower)
    yield Reached("half-open: × bare", 22.0, "at most", ratio("half-open", "call"))
    yield Reached(
        "failing: × bare", 22.0, "at most", ratio("failing", "call"), by_hand("failing", "call")
    )


def _slower_peer(calls: Calls, state: str, ways: tuple[str, ...]) -> tuple[float, str] | None:
    """Return how much slower than ours the fastest peer is, and its name."""
    found = {who: calls.best(who, state, ways) for who in calls.peers()}
    times = {who: line["p10_ns"] for who, line in found.items() if line is not None}
    if not times:
        return None
    who = min(times, key=lambda one: times[one])
    return times[who] / _known(calls.low(NAME, state, ways[0])), who


def _known(value: float | None) -> float:
    if value is None:
        raise LookupError("this case is measured always")
    return value


def _of_sharing(figures: Figures) -> Iterator[Reached]:
    ours = figures["ours"]
    yield Reached("`call`, sharing on: × bare", 3.5, "at most", ours["on, closed"]["ratio"])
    yield Reached("half-open, sharing on: × bare", 22.0, "at most", ours["on, half-open"]["ratio"])
    yield Reached(
        "Redis commands of a million healthy calls",
        0.0,
        "at most",
        _beyond_the_periodic(figures["healthy"]),
        "more than twice those of as long a time without calls",
    )
    yield Reached("p99, Redis hung: × healthy", 1.05, "at most", figures["tail"]["ratio"])


def _beyond_the_periodic(healthy: Figures) -> int:
    """Count what calls have sent: a heartbeat more may fall into one time or the other."""
    periodic = healthy["commands_without_calls"]
    return sum(
        max(0, count - 2 * periodic.get(name, 0)) for name, count in healthy["commands"].items()
    )


def _of_routes(figures: Figures) -> Iterator[Reached]:
    low = {name: line["p10_ns"] for name, line in figures["in_process"].items()}
    floor, by_hand = low["unguarded"], low["by hand"]
    yield Reached(
        "route, in process: beyond a no-op object, % of unguarded",
        18.0,
        "at most",
        (low["ours"] - low["no-op object"]) / floor * 100,
        f"by hand: {three((by_hand - low['no-op object']) / floor * 100)}",
    )
    yield Reached(
        "route, in process: of what a no-op `yield` adds",
        0.5,
        "at most",
        (low["ours"] - floor) / (low["no-op yield"] - floor),
        f"by hand: {three((by_hand - floor) / (low['no-op yield'] - floor))}",
    )
    for title, lines in figures["served"]["servers"].items():
        ours = lines["ours"]
        others = ", ".join(
            f"{name}: {lines[name]['share'] * 100:.0f} %" for name in ("no-op object", "by hand")
        )
        work = f"; by work {100 / ours['cpu_ratio']:.0f} %" if "cpu_ratio" in ours else ""
        about = others + work
        yield Reached(
            f"uvicorn ({title}): % of the unguarded requests/s",
            93.0,
            "at least",
            ours["share"] * 100,
            about,
        )


def _of_transport(figures: Figures) -> Iterator[Reached]:
    guarded = {
        name: line["ratio"] for name, line in figures["by_work"].items() if name.endswith("guarded")
    }
    worst = max(guarded, key=lambda name: guarded[name])
    yield Reached(
        "transport, a real local request: % more",
        3.0,
        "at most",
        (guarded[worst] - 1) * 100,
        f"{worst.removesuffix(' / guarded')}, of the client's work alone",
    )


def _of_scale(figures: Figures) -> Iterator[Reached]:
    weights = figures["bytes"]
    yield Reached("bytes of a circuit", 1024, "at most", weights["closed, used"])
    yield Reached(
        "bytes with a 60-second window", 4096, "at most", weights["with a window of 60 s, full"]
    )
    for how in ("by turns", "at random"):
        yield Reached(
            f"10,000 circuits, {how}: × one",
            1.3,
            "at most",
            figures["calls"][f"call, {how} / 10000"]["ratio"],
            ""
            if how == "by turns"
            else f"by hand: {three(figures['calls']['by hand, at random / 10000']['ratio'])}",
        )
