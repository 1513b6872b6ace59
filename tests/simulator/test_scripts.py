"""The package's own scripts do in the simulated server what they do in a real one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastapi_hybrid_breaker.core.news import Proposal
from fastapi_hybrid_breaker.core.override import OverrideKind, OverrideView
from fastapi_hybrid_breaker.core.states import CircuitState
from fastapi_hybrid_breaker.fleet.commands import Commands
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.scripts import load
from simulator.process import BEGAN
from simulator.server.store import Store

if TYPE_CHECKING:
    from tests.fleet.server import Server

NOW = int(time.time())
KEYS = ("inventory-api", "a}b", "stock/ж")


def proposal(state: CircuitState, version: int, wait: float) -> Proposal:
    return Proposal(0, state, 3, 1, wait, version, "other", reopenings=2)


def at_a_standstill(command: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same command, by its text, at a time that does not pass."""
    if command[0] != "EVALSHA":
        return command
    text = load("circuit.lua").text
    assert "redis.call('TIME')" in text
    return ("EVAL", text.replace("redis.call('TIME')", f"{{'{NOW}', '123456'}}"), *command[2:])


changes = st.builds(
    lambda what, key, state, base, wait: (
        lambda commands, newest: commands.script(
            what, key, commands.new_operation(), proposal(state, newest if base else 0, wait)
        )
    ),
    st.sampled_from(["change", "reset", "restore"]),
    st.sampled_from(KEYS),
    st.sampled_from(list(CircuitState)),
    st.booleans(),
    st.sampled_from([0.0, 1.5, 100.0]),
)
overrides = st.builds(
    lambda key, kind, seconds: (
        lambda commands, _newest: commands.override(
            "override",
            key,
            commands.new_operation(),
            None if kind is None else OverrideView(kind, "me/you", 'why "so"', seconds),
            by="me",
        )
    ),
    st.sampled_from(KEYS),
    st.sampled_from([None, *OverrideKind]),
    st.sampled_from([None, 5.0]),
)
shows = st.builds(
    lambda key: lambda commands, _newest: commands.script("show", key), st.sampled_from(KEYS)
)
plain = st.builds(
    lambda key, state, wait: (
        lambda _commands, _newest: (
            *("HSET", f"circuit:{key}", "state", state, "failures", 2, "successes", 0),
            *("nextAttempt", NOW * 1000 + wait),
        )
    ),
    st.sampled_from(KEYS),
    st.sampled_from(["OPEN", "CLOSED", "HALF_OPEN", "nonsense"]),
    st.sampled_from([-5_000, 3_000]),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.one_of(changes, overrides, shows, plain), min_size=1, max_size=10))
def test_the_circuit_script(real: Server, steps: list[Any]) -> None:
    client = redis.Redis(port=real.port, protocol=2)
    client.response_callbacks.clear()
    client.flushall()
    store = Store(lambda: NOW - BEGAN, lambda _channel, _data: 0)
    commands = Commands(Names("circuit"), "instance", lambda: 0)
    newest = 0
    for step in steps:
        command = at_a_standstill(step(commands, newest))
        ours, theirs = store.execute(command), client.execute_command(*command)
        assert ours == theirs
        if isinstance(ours, list):
            newest = int(ours[1])
    for key in [f"circuit:{key}" for key in KEYS]:
        kept = client.execute_command("HGETALL", key)
        found = dict(zip(kept[::2], kept[1::2], strict=True))
        ours = store.execute(("HGETALL", key))
        assert dict(zip(ours[::2], ours[1::2], strict=True)) == found
