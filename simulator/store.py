"""The part of a server that keeps data: the few commands that are sent, and the real scripts."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

import lupa.lua51
from redis.exceptions import NoScriptError, ResponseError

from fastapi_hybrid_breaker.fleet.scripts import load

if TYPE_CHECKING:
    from collections.abc import Callable

_SCRIPT: Final = load("circuit.lua")
_METHODS: Final = {"EXPIRE": "expire_"}
_STORM: Final = 20_000
"""Commands in one simulation that only instances can send which answer each other for ever."""

_BEGAN: Final = 1_790_000_000.0
"""Epoch seconds at which every simulation begins."""

_lua = lupa.lua51.LuaRuntime(unpack_returned_tuples=True)
_run_script: Any = _lua.execute(f"return function(KEYS, ARGV, redis, cjson) {_SCRIPT.text}\nend")


def _to_lua(value: Any) -> Any:
    """Convert a reply as a server does: nothing becomes ``false``."""
    if value is None:
        return False
    if isinstance(value, list):
        return _lua.table_from([_to_lua(one) for one in value])
    return value


class Store:
    """Keys with times to live, scripts, and a clock of its own.

    Args:
        clock: virtual seconds.
        publish: what becomes of a published message.
    """

    def __init__(self, clock: Callable[[], float], publish: Callable[[bytes], None]) -> None:
        self._clock = clock
        self._publish = publish
        self._data: dict[str, Any] = {}
        self._ends: dict[str, float] = {}  # epoch milliseconds
        self._has_script = False
        self.offset = 0.0
        """Seconds by which its clock has been set."""
        self.commands = 0

    def now(self) -> float:
        """Give the server's time, epoch seconds."""
        return _BEGAN + self._clock() + self.offset

    def snapshot(self) -> Any:
        """Give a copy of all data, for a replica that falls behind."""
        return copy.deepcopy((self._data, self._ends))

    def become(self, snapshot: Any | None) -> None:
        """Be the server with these data, or (None) an empty one; scripts are never replicated."""
        self._data, self._ends = copy.deepcopy(snapshot) if snapshot else ({}, {})
        self._has_script = False

    def hash(self, key: str) -> dict[str, str]:
        """Give a hash, for checks."""
        self._expire(key)
        return dict(self._data.get(key, {}))

    def execute(self, command: tuple[Any, ...]) -> Any:
        """Run one command and give its answer as the client library would; errors are returned."""
        self.commands += 1
        if self.commands > _STORM:
            raise RuntimeError("a storm of commands")
        name, *arguments = command
        if name == "SCRIPT LOAD":
            self._has_script = True
            return _SCRIPT.sha.encode()
        if name == "EVALSHA":
            if not self._has_script:
                return NoScriptError("No matching script")
            return self._evaluate(arguments)
        answer = self._call(name, *(str(one) for one in arguments))
        return _encoded(answer)

    def _evaluate(self, arguments: list[Any]) -> Any:
        count = int(arguments[1])
        keys = [str(one) for one in arguments[2 : 2 + count]]
        values = [str(one) for one in arguments[2 + count :]]
        redis = _lua.table_from({"call": self._call_from_lua, "pcall": self._call_from_lua})
        redis["error_reply"] = lambda text: _lua.table_from({"err": text})
        cjson = _lua.table_from({"decode": json.loads})
        answer = _run_script(_lua.table_from(keys), _lua.table_from(values), redis, cjson)
        if answer["err"] is not None:
            return ResponseError(answer["err"])
        return _encoded([answer[at] for at in range(1, len(answer) + 1)])

    def _call_from_lua(self, name: str, *arguments: Any) -> Any:
        return _to_lua(self._call(name, *(str(one) for one in arguments)))

    def _call(self, name: str, *arguments: str) -> Any:
        if name == "TIME":
            now = self.now()
            return [str(int(now)), f"{int(now % 1 * 1_000_000)}"]
        if name == "PUBLISH":
            self._publish(arguments[1].encode())
            return 0
        key = arguments[0]
        self._expire(key)
        method: Any = getattr(self, f"_{_METHODS.get(name, name).lower()}")
        return method(*arguments)

    def _expire(self, key: str) -> None:
        if self._ends.get(key, float("inf")) <= self.now() * 1000:
            self._data.pop(key, None)
            self._ends.pop(key, None)

    # -- the commands, named as a server names them ------------------------------------------------

    def _hmget(self, key: str, *fields: str) -> list[str | None]:
        found = self._data.get(key, {})
        return [found.get(field) for field in fields]

    def _hget(self, key: str, field: str) -> str | None:
        value: str | None = self._data.get(key, {}).get(field)
        return value

    def _hset(self, key: str, *pairs: str) -> int:
        self._data.setdefault(key, {}).update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(pairs) // 2

    def _hdel(self, key: str, *fields: str) -> int:
        found = self._data.get(key, {})
        gone = [found.pop(field) for field in fields if field in found]
        if not found:
            self._data.pop(key, None)
            self._ends.pop(key, None)
        return len(gone)

    def _pexpire(self, key: str, milliseconds: str) -> int:
        if key in self._data:
            self._ends[key] = self.now() * 1000 + float(milliseconds)
        return 1

    def _expire_(self, key: str, seconds: str) -> int:
        return self._pexpire(key, str(float(seconds) * 1000))

    def _pexpireat(self, key: str, milliseconds: str) -> int:
        if key in self._data:
            self._ends[key] = float(milliseconds)
        return 1

    def _persist(self, key: str) -> int:
        self._ends.pop(key, None)
        return 1

    def _zadd(self, key: str, *arguments: str) -> int:
        scores = self._data.setdefault(key, {})
        for score, member in zip(arguments[1::2], arguments[2::2], strict=True):  # after "GT"
            scores[member] = max(float(score), scores.get(member, 0.0))
        return 0

    def _zremrangebyrank(self, key: str, first: str, last: str) -> int:
        ranked = sorted(self._data.get(key, {}).items(), key=lambda item: item[1])
        stop = len(ranked) + int(last) + 1
        for member, _ in ranked[int(first) : max(0, stop)]:
            del self._data[key][member]
        return 0

    def _zrevrangebyscore(self, key: str, most: str, least: str, *options: str) -> list[str]:
        del most, options  # always "+inf", with scores, from the first on
        scores = self._data.get(key, {})
        ranked = sorted(scores.items(), key=lambda item: -item[1])
        return [
            part
            for member, score in ranked
            if score >= float(least)
            for part in (member, f"{score:.0f}")
        ]

    def _sadd(self, key: str, *members: str) -> int:
        self._data.setdefault(key, {}).update(dict.fromkeys(members, ""))
        return 0

    def _srem(self, key: str, *members: str) -> int:
        return self._hdel(key, *members)

    def _smembers(self, key: str) -> list[str]:
        return sorted(self._data.get(key, {}))


def _encoded(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_encoded(one) for one in answer]
    if isinstance(answer, str):
        return answer.encode()
    return None if answer is False else answer
