"""One value, read by a script on a server and by the parser."""

from __future__ import annotations

from typing import Any

import redis

from fastapi_hybrid_breaker.fleet.answers import (
    parse_reply,
)
from fastapi_hybrid_breaker.fleet.basic_format import BasicUpdate
from fastapi_hybrid_breaker.fleet.commands import Commands
from fastapi_hybrid_breaker.fleet.messages import HASH_FIELDS, parse_hash
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.scripts import load
from fastapi_hybrid_breaker.fleet.shared_override import SharedOverride
from fastapi_hybrid_breaker.fleet.shared_state import SharedState
from fastapi_hybrid_breaker.fleet.values import MalformedError, as_text

KEY = "inventory-api"
HASH = f"circuit:{KEY}"
REGISTER = "circuit#override:{circuit:inventory-api}"

SOON = str(2**43)
BASIC = {"state": "OPEN", "failures": "1", "successes": "0", "nextAttempt": SOON}
OURS = BASIC | {
    "version": "12",
    "writer": "a",
    "at": "5",
    "sum": f"OPEN|1|0|{SOON}",
    "p": "1",
    "reopened": "2",
    "closedAt": "3",
    "ramp": "4",
    "closedOf": "12",
}


class Ends:
    """Both ends of one hash: what the script answers about it, and what the parser reads."""

    def __init__(self, raw: redis.Redis) -> None:
        self.raw = raw
        self.raw.script_load(load("circuit.lua").text)
        commands = Commands(Names("circuit"), "me", lambda: 0)
        self._show = commands.script("show", KEY)
        # Changes nothing where nobody has written over what is stored, and ends no override.
        plain = BasicUpdate(due=0.0, is_live=False, may_close=False)
        self._look = commands.adopt_basic(KEY, plain, 5.0)

    def hash(self, fields: dict[str, Any]) -> tuple[Any, Any]:
        """Return what the script and the parser say of a hash with these fields."""
        with self.raw.pipeline(transaction=False) as pipe:
            pipe.delete(HASH)
            pipe.hset(HASH, mapping=fields)
            pipe.hmget(HASH, *HASH_FIELDS)
            pipe.execute_command(*self._show)
            *_, values, answer = pipe.execute()
        stored = parse_reply(answer).stored
        try:
            heard = parse_hash(values)
        except MalformedError:
            heard = None
        return _seen(stored), _seen(heard)

    def register(self, text: bytes) -> tuple[SharedOverride | None, SharedOverride | None]:
        """Return what both say of a register of overrides."""
        with self.raw.pipeline(transaction=False) as pipe:
            pipe.delete(HASH)
            pipe.hset(REGISTER, "override", text)
            pipe.execute_command(*self._look)
            answer = pipe.execute()[-1]
        try:
            heard = SharedOverride.read_register(as_text(text))
        except MalformedError:
            heard = None
        return parse_reply(answer).override, heard


def _seen(heard: SharedState | None) -> tuple[Any, ...] | None:
    if heard is None:
        return None
    basic = (heard.state, heard.failures, heard.successes, heard.next_attempt, heard.is_basic)
    if heard.is_basic:  # whose the version below is does not matter
        return basic
    own = (heard.version, heard.writer, heard.at, heard.reopenings, heard.evidence)
    return (*basic, *own, heard.recovered_at, heard.ramp_began_at)
