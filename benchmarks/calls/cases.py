"""All that is timed, by state, by who does it and in which way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from benchmarks.peers.adapter import MANY, SHORT, Setting, Ways
from benchmarks.peers.check import (
    Upstream,
    drive_to_open,
    drive_to_probing,
    guards,
    wait_for_a_probe,
)
from benchmarks.peers.ours import NAME, Ours, make_breaker
from fastapi_hybrid_breaker.telemetry import instrument

from . import loops
from .by_hand import ByHand

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.peers.adapter import Adapter, Rule
    from benchmarks.rounds import Before, Loop

State = Literal["closed", "failing", "open", "half-open"]

FLOOR = "bare"
BY_HAND = "by hand"
BY_KEY = "execute by key"
ROUTED = "call, a route guards too"

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """One thing to time.

    Args:
        who: the library by its name on PyPI, ``bare`` or ``by hand``.
        state: the state of its circuit; ``failing`` is closed, and the call fails.
        way: how the call is made.
        rule: what its circuit opens by.
    """

    who: str
    state: State
    way: str
    rule: Rule
    loop: Loop

    @property
    def name(self) -> str:
        """The case's name in the results."""
        return f"{self.who} / {self.state} / {self.way} / {self.rule}"


def floors() -> list[Case]:
    """The bare await, and a breaker written by hand."""
    closed, failing, opened = ByHand(), ByHand(MANY * 1_000), ByHand()
    opened.is_open = True
    return [
        Case(FLOOR, "closed", "call", "default", loops.bare()),
        Case(FLOOR, "closed", "sync call", "default", loops.bare_sync()),
        Case(FLOOR, "failing", "call", "default", loops.bare_failure()),
        Case(BY_HAND, "closed", "call", "default", loops.called(closed.call)),
        Case(BY_HAND, "closed", "async with", "default", loops.in_block(closed.guard)),
        Case(BY_HAND, "closed", "sync call", "default", loops.called_sync(closed.call_sync)),
        Case(BY_HAND, "failing", "call", "default", loops.failing_called(failing.call)),
        Case(BY_HAND, "open", "call", "default", loops.failing_called(opened.call)),
        Case(
            *(BY_HAND, "open", "sync call", "default"),
            loops.failing_sync(opened.call_sync, loops.work_sync),
        ),
    ]


async def of_ours() -> list[Case]:
    """Every way and state of ours, with either rule."""
    ours = Ours()
    found = [case for rule in ours.rules for case in await _of(ours, rule, all_ways=True)]
    for rule in ours.rules:
        breaker = make_breaker(Setting(rule=rule))
        execute = breaker.circuit("bench").execute
        by_key = loops.executed(breaker.execute, "bench")
        found.append(Case(NAME, "closed", "execute", rule, loops.called(execute)))
        found.append(Case(NAME, "closed", BY_KEY, rule, by_key))
    opened = make_breaker(Setting())
    upstream = Upstream()
    guarded = guards(Ways(call=opened.circuit("bench").call), upstream)["call"]
    await drive_to_open(guarded, upstream, ours)
    routed = make_breaker(Setting()).circuit("routed")
    routed._guarded_by_route = True  # as the guard of a route does
    unread, measured = make_breaker(Setting()), make_breaker(Setting())
    instrument(unread, meter_provider=MeterProvider())  # no exporter
    instrument(measured, meter_provider=MeterProvider([InMemoryMetricReader()]))
    return [
        *found,
        *(
            Case(NAME, "closed", way, "default", loops.called(breaker.circuit("bench").call))
            for way, breaker in (("call, nobody reads", unread), ("call, measured", measured))
        ),
        Case(NAME, "open", BY_KEY, "default", loops.failing_executed(opened.execute, "bench")),
        Case(NAME, "closed", ROUTED, "default", loops.called(routed.call)),
    ]


async def of_peers(peers: Iterable[Adapter]) -> list[Case]:
    """Every way of the peers while closed; else the first async and the first sync one of each."""
    return [
        case
        for peer in peers
        for rule in peer.rules
        for case in await _of(peer, rule, all_ways=False)
    ]


async def _of(adapter: Adapter, rule: Rule, *, all_ways: bool) -> list[Case]:
    states: list[State] = ["closed", "failing"]
    if rule == "default":  # when it is not closed it asks no rule
        states += ["open", "half-open"] if adapter.probing else ["open"]
    ways = list(guards(await adapter.make(Setting()), Upstream()))
    return [
        Case(
            *(adapter.name, state, way, rule),
            (await make(adapter, state, way, Setting(rule=rule))).loop,
        )
        for state in states
        for way in ways
        if all_ways or state == "closed" or _is_first(way, ways)
    ]


def _is_first(way: str, ways: Iterable[str]) -> bool:
    """Return whether a way is the first one, of the async or of the sync ones."""
    return way == next(one for one in ways if one.startswith("sync") == way.startswith("sync"))


@dataclass(frozen=True)
class Made:
    """A breaker in its state, with the loop to be timed.

    Args:
        loop: what is timed.
        ready: waits until a call is admitted, where a right to probe can lapse between turns.
        close: ends what runs in the background.
    """

    loop: Loop
    ready: Before | None = None
    close: Before | None = None


async def make(adapter: Adapter, state: State, way: str, setting: Setting) -> Made:
    """Bring a new breaker into a state, by calls in the way that is to be timed."""
    setting = replace(setting, trips=state != "failing")
    if state == "half-open":
        setting = replace(setting, open_seconds=SHORT, successes=MANY)
    ways, upstream = await adapter.make(setting), Upstream()
    guarded, ready = guards(ways, upstream)[way], None
    if state == "open":
        await drive_to_open(guarded, upstream, adapter)
    if state == "half-open":
        await drive_to_probing(guarded, upstream, adapter)
        ready = partial(wait_for_a_probe, guarded, upstream)
    if state == "closed" or (state == "half-open" and adapter.probing == "succeeding"):
        loop = _good(ways, way)
    else:
        loop = _bad(ways, way, is_reached=state != "open")
    return Made(loop, ready, ways.close)


def _good(ways: Ways, way: str) -> Loop:
    match way:
        case "call":
            return loops.called(given(ways.call))
        case "decorator":
            return loops.decorated(given(ways.decorate)(loops.work))
        case "async with":
            return loops.in_block(given(ways.block))
        case "sync call":
            return loops.called_sync(given(ways.call_sync))
        case _:
            return loops.decorated_sync(given(ways.decorate_sync)(loops.work_sync))


def _bad(ways: Ways, way: str, *, is_reached: bool) -> Loop:
    """Return the loop that catches what is raised: by the function, if it is reached."""
    fn = loops.fail if is_reached else loops.work
    fn_sync = loops.fail_sync if is_reached else loops.work_sync
    match way:
        case "call":
            return loops.failing_called(given(ways.call), fn)
        case "decorator":
            return loops.failing_decorated(given(ways.decorate)(fn))
        case "async with":
            return loops.failing_in_block(given(ways.block), fn)
        case "sync call":
            return loops.failing_sync(given(ways.call_sync), fn_sync)
        case _:
            return loops.failing_decorated_sync(given(ways.decorate_sync)(fn_sync))


def given(way: T | None) -> T:
    """Return a way that the adapter has."""
    if way is None:
        raise LookupError("the adapter has no such way")
    return way
