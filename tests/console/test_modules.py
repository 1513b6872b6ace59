"""The page's modules that think and show nothing, called in the browser one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Instance, Look

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def call(fleet: tuple[Instance, Instance], look: Look, module: str, body: str) -> Any:
    """Run ``body``, a function's, with the names of a module as ``m``."""
    console = await look(fleet[0].address)
    await console.page.goto(console.address)
    return await console.page.evaluate(
        f"async () => {{ const m = await import('{console.address}/{module}'); {body} }}"
    )


async def test_events_are_read_wherever_the_pieces_end(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    read = await call(
        fleet,
        look,
        "sse.js",
        r"""
        const text = ": ping\n\nevent: circuit\ndata: {\"a\":\ndata:1}\nid: x-7\n\n"
            + "data\r\nid: x-8\r\n\r\nevent: alone\n\nretry: 5\ndata: é\n\ndata: unfinished\n";
        const read = new Set();
        for (let first = 0; first <= text.length; first += 1) {
            const parser = new m.EventParser();
            const ends = [0, first, first + 3, text.length];
            const pieces = [0, 1, 2].map((index) => text.slice(ends[index], ends[index + 1]));
            const events = pieces.flatMap((piece) => [...parser.feed(piece)]);
            read.add(JSON.stringify([events, parser.lastId]));
        }
        return [...read].map((one) => JSON.parse(one));
        """,
    )
    events = [
        {"type": "circuit", "data": '{"a":\n1}'},
        {"type": "message", "data": ""},
        {"type": "message", "data": "é"},
    ]
    assert read == [[events, "x-8"]]


async def test_rejected_calls_are_counted_over_five_seconds_and_not_over_gaps(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    rates = await call(
        fleet,
        look,
        "rejections.js",
        """
        const one = new m.Rejections();
        const rates = [];
        const look = (at, watched) => { one.look(at, watched); rates.push(one.rate); };
        one.count(1000, 100, true);  // what was before nobody knows the time of
        look(100, 0);
        one.count(1010, 101, true);
        look(101, 2);                // 10 in the two seconds that it has been watched
        look(104, 5);                // 10 in five
        one.elsewhere = 3;
        look(105, 6);                // and 3 of the others
        look(106, 7);                // those 10 are past
        one.elsewhere = 0;
        look(107, 8);
        one.count(5000, 108, false); // after a gap
        one.count(2, 109, true);     // a new process
        look(109, 10);
        rates.push(one.isQuiet, one.series.at(-1));
        return rates;
        """,
    )
    assert rates == [0, 5, 2, 5, 3, 0, 0, True, [107, 0]]


async def test_what_others_said_before_the_last_change_here_does_not_count(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    statuses = await call(
        fleet,
        look,
        "fleet.js",
        """
        const { statusOf } = await import(`${location.href}/status.js`);
        const says = (id, last_seen, sync, circuits) => ({id, last_seen, sync, circuits, more: 0});
        const fleet = new m.Fleet();
        fleet.own = "a";
        const open = {x: {state: "OPEN", rejecting: 0}};
        const row = {key: "x", state: "CLOSED", since: 100, override: null, mode: "enforce"};
        const status = (...instances) => {
            fleet.replace([says("a", 200, "connected", open), ...instances]);
            return statusOf(row, fleet.of(row));
        };
        return [
            status(),
            status(says("b", 99, "connected", open)),
            status(says("b", 101, "connected", open)),
            status(says("b", 101, "isolated", open)),
            status(says("b", 101, "connected", null)),
            status(says("b", 101, "connected", {x: {state: "HALF_OPEN", rejecting: 1}})),
        ];
        """,
    )
    assert statuses == ["closed", "closed", "elsewhere", "closed", "closed", "half"]


async def test_the_ribbon_has_the_state_before_the_first_change_and_shortest_probes(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    found = await call(
        fleet,
        look,
        "charts.js",
        """
        const state = "OPEN";
        const recent = [[0, "CLOSED"], [700, "OPEN"], [800, "HALF_OPEN"], [800, "OPEN"]];
        const parts = (row) => m.stretches(row, 1000).map((one) => [one.from, one.to, one.state]);
        return [parts({recent, state}), parts({recent: [], state})];
        """,
    )
    assert found == [
        [
            [400, 700, "CLOSED"],
            [700, 800, "OPEN"],
            [800, 800, "HALF_OPEN"],
            [800, 1000, "OPEN"],
        ],
        [[400, 1000, "OPEN"]],
    ]


async def test_what_is_ready_to_probe_here_is_open_only_where_calls_are_rejected(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    found = await call(
        fleet,
        look,
        "status.js",
        """
        const row = { state: "OPEN", ready_to_probe: true, mode: "enforce", override: null };
        const closed = { ...row, state: "CLOSED", ready_to_probe: false };
        const open = { counts: true, state: "OPEN", ready_to_probe: false, rejecting: 0 };
        return [
            m.statusOf(row, []),
            m.statusOf(row, [open]), // told before the time was up
            m.statusOf(row, [{ ...open, rejecting: 2.5 }]),
            m.statusOf({ ...row, state: "HALF_OPEN" }, []),
            m.statusOf({ ...row, mode: "shadow" }, []),
            m.statusOf({ ...row, override: { kind: "forced_open" } }, []),
            m.statusOf(closed, [open]),
            m.statusOf(closed, [{ ...open, ready_to_probe: true }]),
        ];
        """,
    )
    assert found == [
        "ready",
        "ready",
        "elsewhere",
        "ready",
        "ready",
        "forced",
        "elsewhere",
        "ready",
    ]


async def test_instance_in_shadow_mode_makes_nothing_open_elsewhere(
    fleet: tuple[Instance, Instance], look: Look
) -> None:
    found = await call(
        fleet,
        look,
        "fleet.js",
        """
        const known = new m.Fleet();
        const said = { state: "OPEN", ready_to_probe: false, rejecting: 0, shadowed: null };
        const one = (id, circuits) => ({ id, sync: "connected", last_seen: 10, circuits });
        known.replace([one("a", { k: said }), one("b", { k: { ...said, shadowed: 4 } })]);
        return known.of({ key: "k", since: 5 }).map((told) => [told.instance.id, told.counts]);
        """,
    )
    assert found == [["a", True], ["b", False]]
