"""Orders from the command line get through where a version in Redis is far ahead of its clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fleet.instances import fail, fleet, settled, until
from tests.fleet.test_far_versions import (
    FAR,
    KEY,
    PLACES,
    as_hash,
    as_register,
    far,
    now_us,
    versions_of,
)

from .command import beside, on, replace_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fleet.server import Server


@pytest.mark.parametrize("version", [FAR[0], FAR[1], 2**63])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
async def test_open_clear_and_reset_are_obeyed(
    server: Server, place: Callable[[Server, str], None], version: int | str
) -> None:
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
        await settled(a, b)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        await settled(a, b)
        place(server, far(server, version))
        await settled(a, b)

        opened = await beside(server, "open", KEY, "--reason", "x", "--until-cleared")
        assert opened.code == 0, opened
        for breaker in (a, b):
            await until(lambda at=breaker: at.stats(KEY).override.kind == "forced_open")
        cleared = await beside(server, "clear", KEY)
        assert cleared.code == 0, cleared
        for breaker in (a, b):
            await until(lambda at=breaker: at.stats(KEY).override is None)
        closed = await beside(server, "reset", KEY)
        assert closed.code == 0, closed
        for breaker in (a, b):
            await until(lambda at=breaker: at.state(KEY) == "CLOSED")
        assert max(versions_of(server)[:2]) <= now_us(server)
        assert "Traceback" not in opened.err + cleared.err + closed.err


@pytest.mark.parametrize("version", FAR)
def test_a_reset_gets_through_where_no_instance_runs(server: Server, version: int | str) -> None:
    text = far(server, version)
    as_hash(server, text)
    server.ask.zadd("circuit#index", {KEY: float(text), "other": float(text)})
    as_register(server, text)
    done = on(server, "reset", KEY)
    assert done.code == 0, done
    assert server.hash(KEY)["state"] in {"CLOSED", "OPEN"}  # under the override that is there
    assert int(server.hash(KEY)["version"]) <= now_us(server)


def test_the_newest_version_is_found_below_far_ones(server: Server) -> None:
    ahead = now_us(server) + 3_600_000_000
    as_hash(server, str(now_us(server)))
    server.ask.zadd("circuit#index", {"other": ahead, "far": now_us(server) * 2, KEY: 5})
    assert on(server, "reset", KEY).code == 0
    assert int(server.hash(KEY)["version"]) == ahead + 1


@pytest.mark.parametrize("order", [("reset",), ("open", "--reason", "x", "--until-cleared")])
def test_what_no_instance_can_read_is_not_called_done(
    server: Server, monkeypatch: pytest.MonkeyPatch, order: tuple[str, ...]
) -> None:
    def spoilt(self: object, key: str, command: object) -> object:
        async def answer() -> list[str]:
            return ["done", "0", *[""] * 6, "1", "0", "", "0|x|forced_open|0|{}", "0", "0"]

        return answer()

    as_hash(server, str(now_us(server)))
    replace_order(monkeypatch, spoilt)
    action, *options = order
    done = on(server, action, KEY, *options)
    assert done.code == 1
    assert "done:" not in done.out
    assert "not done" in done.err
