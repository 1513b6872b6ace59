"""Reads what a fleet keeps in Redis, by the formats that instances use; writes nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fastapi_hybrid_breaker.core.keys import is_key
from fastapi_hybrid_breaker.core.versions import horizon_at
from fastapi_hybrid_breaker.fleet.about_instances import parse_pairs
from fastapi_hybrid_breaker.fleet.answers import (
    VOTE_FIELDS,
    parse_members,
    parse_openers,
    parse_time,
    parse_votes,
)
from fastapi_hybrid_breaker.fleet.commands import Commands
from fastapi_hybrid_breaker.fleet.connection import is_wrong_type
from fastapi_hybrid_breaker.fleet.heartbeat import read_instances
from fastapi_hybrid_breaker.fleet.index import Index
from fastapi_hybrid_breaker.fleet.messages import parse_hash
from fastapi_hybrid_breaker.fleet.shared_override import SharedOverride
from fastapi_hybrid_breaker.fleet.values import MalformedError, as_text
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

from .picture import Picture, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fastapi_hybrid_breaker.fleet.instances import Instance, UnhealthyCircuit
    from fastapi_hybrid_breaker.fleet.names import Names

    from .link import Link

T = TypeVar("T")

UNCUT: Final = 10**9
"""Members of the index: an operator's command neither passes over nor cuts any."""

_NEWEST: Final = 100
"""Members that are read to know the highest version: some may be none."""

_MOST_OPENERS: Final = 5

_SCANNED_AT_ONCE: Final = 1_000


class Reader:
    """Reads the fleet of one namespace.

    Args:
        link: the way to Redis.
        names: the names in Redis.
    """

    def __init__(self, link: Link, names: Names) -> None:
        self._link = link
        self._names = names
        # As a reader it never proposes anything, so it needs no name and no version.
        self._commands = Commands(names, "", lambda: 0)
        self._server_now: float | None = None

    async def look(self, *, scan: bool = False) -> Picture:
        """Read all circuits that the fleet has listed; ``scan``: and any other that there is."""
        dropped, versions = ThrottledLog(time.monotonic, "dropped from Redis: "), dict[str, int]()
        index = self._index(UNCUT, dropped, versions)
        index.read_all()
        (listed,) = index.due("index", "", 0.0)
        overridden = ("SMEMBERS", self._names.overridden)
        now, listing, members, *living = await self._link.ask(
            [("TIME",), listed.command, overridden, *self._living()]
        )
        server_now = self._see_time(now)
        _take(dropped, lambda: index.answered(listed, listing))
        keys = dict.fromkeys(versions)
        keys |= dict.fromkeys(_take(dropped, lambda: _read_keys(members, dropped)) or ())
        if scan:
            keys |= dict.fromkeys([key async for key in self._scan() if is_key(key)])
        instances = _take(dropped, lambda: _read_living(living, server_now, dropped)) or []
        # What is open at one instance alone need never have been listed.
        keys |= dict.fromkeys(filter(is_key, (key for one in instances for key in _circuits(one))))
        rows = await self._rows(list(keys), instances, server_now)
        known = [row for row in rows if row.is_known]
        return Picture(
            now=server_now,
            rows=sorted(known, key=Row.rank),
            instances=instances,
            newest=index.newest(),
            quiet=len(rows) - len(known),
            unreadable=dropped.count,
        )

    async def look_at(self, key: str) -> Picture:
        """Read one circuit, whether it is listed or not."""
        dropped, versions = ThrottledLog(time.monotonic, "dropped from Redis: "), dict[str, int]()
        index = self._index(_NEWEST, dropped, versions)
        index.read_all()
        (newest,) = index.due("index", "", 0.0)
        now, listing, *living = await self._link.ask([("TIME",), newest.command, *self._living()])
        server_now = self._see_time(now)
        _take(dropped, lambda: index.answered(newest, listing))
        instances = _take(dropped, lambda: _read_living(living, server_now, dropped)) or []
        return Picture(
            now=server_now,
            rows=await self._rows([key], instances, server_now),
            instances=instances,
            newest=index.newest(),
            unreadable=dropped.count,
        )

    def _index(self, most: int, dropped: ThrottledLog, versions: dict[str, int]) -> Index:
        return Index(
            self._names.index,
            most,
            dropped,
            versions.__setitem__,
            lambda: horizon_at(self._server_now),
            page=most,
        )

    def _see_time(self, answer: Any) -> float:
        server_now = self._server_now = parse_time(answer)
        return server_now

    async def _rows(
        self, keys: Sequence[str], instances: Sequence[Instance], server_now: float
    ) -> list[Row]:
        commands: list[tuple[Any, ...]] = []
        for key in keys:
            commands += [
                self._commands.read(key),
                self._commands.read_override(key),
                ("HMGET", self._names.evidence(key), *VOTE_FIELDS),
                ("HMGET", self._names.hash(key), "openers"),
            ]
        answers = await self._link.ask(commands)
        return [
            replace(
                _read_row(key, answers[at * 4 : at * 4 + 4], server_now),
                seen={one.id: _circuits(one)[key] for one in instances if key in _circuits(one)},
            )
            for at, key in enumerate(keys)
        ]

    def _living(self) -> tuple[tuple[Any, ...], ...]:
        live, about = self._names.live, self._names.instances
        return ("ZRANGE", live, 0, -1, "WITHSCORES"), ("HGETALL", about)

    async def _scan(self) -> Any:
        prefix = self._names.hash("")
        pattern = "".join(f"\\{char}" if char in "\\*?[]^-" else char for char in prefix) + "*"
        async for name in self._link.client.scan_iter(
            match=pattern, count=_SCANNED_AT_ONCE, _type="HASH"
        ):
            yield name.decode(errors="replace").removeprefix(prefix)


def _take(dropped: ThrottledLog, read: Callable[[], Any]) -> Any:
    """Return what ``read`` gives; None, and counted, where something else stands there."""
    try:
        return read()
    except MalformedError as error:
        dropped.warn(str(error))
        return None


def _read_keys(members: Any, dropped: ThrottledLog) -> Iterable[str]:
    keys = list(parse_members(members))
    for key in keys:
        if not is_key(key):
            dropped.warn("an overridden circuit whose key names none")
    return filter(is_key, keys)


def _read_living(
    answers: Sequence[Any], server_now: float, dropped: ThrottledLog
) -> list[Instance]:
    seen, about = answers
    return read_instances(parse_pairs(seen), about, server_now, dropped)


def _circuits(instance: Instance) -> dict[str, UnhealthyCircuit]:
    return instance.circuits or {}


def _read_row(key: str, answers: Sequence[Any], server_now: float) -> Row:
    """Read one circuit; what cannot be read of it is named, and the rest shown all the same."""
    of_state, of_override, of_votes, of_openers = answers
    dropped: list[str] = []

    def part(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except MalformedError as error:
            dropped.append(str(error))
            return None

    heard = part(lambda: parse_hash(_right_type(of_state)))
    register = part(lambda: _read_register(_right_type(of_override)))
    about = None if heard is None else (heard.version, heard.writer)
    open_at = part(lambda: parse_votes(_right_type(of_votes), about, server_now)) or ()
    openers = part(lambda: _read_openers(_right_type(of_openers))) or ()
    problem = f"unreadable: {'; '.join(dict.fromkeys(dropped))}" if dropped else ""
    return Row(key, server_now, heard, register, open_at, problem=problem, openers=openers)


def _read_register(answer: Any) -> SharedOverride | None:
    return None if answer is None else SharedOverride.read_register(as_text(answer))


def _read_openers(answer: Any) -> tuple[str, ...]:
    return parse_openers(answer)[-_MOST_OPENERS:]


def _right_type(answer: Any) -> Any:
    if is_wrong_type(answer):
        raise MalformedError("something that is no hash under its name")
    return answer


def _seconds(answer: Any) -> float:
    seconds, microseconds = answer
    return float(seconds) + float(microseconds) / 1_000_000
