"""What the circuit's script promises, whatever is asked of it in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_hybrid_breaker.core.news import Proposal
from fastapi_hybrid_breaker.core.override import OverrideKind, OverrideView
from fastapi_hybrid_breaker.core.states import CircuitState
from fastapi_hybrid_breaker.fleet.answers import Reply, parse_reply
from fastapi_hybrid_breaker.fleet.basic_format import BasicUpdate
from fastapi_hybrid_breaker.fleet.commands import Commands
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.scripts import load
from simulator.process import BEGAN
from simulator.server.store import Store
from tests.lengths import few_or_many

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "inventory-api"
NAMES = Names("circuit")
TEXT = load("circuit.lua").text


class Server:
    """A server with one circuit, some instances that ask it things, and a plain speaker."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.store = Store(lambda: self.seconds, lambda _channel, _data: 0)
        self.newest = 0
        self.instances = [Commands(NAMES, f"i{one}", lambda: self.newest) for one in range(2)]
        self.states: dict[tuple[int, str], CircuitState] = {}

    def ask(self, command: tuple[Any, ...]) -> Reply:
        reply = parse_reply(self.store.execute(("EVAL", TEXT, *command[2:])))
        if reply.stored is not None:
            self.newest = max(self.newest, reply.stored.version)
        return reply

    def below(self) -> tuple[int, str, CircuitState] | None:
        """Return what the script holds to be the circuit's own state, under an override."""
        plain = BasicUpdate(due=0.0, is_live=False, may_close=False)
        reply = self.ask(self.instances[0].adopt_basic(KEY, plain, 5.0))
        return None if reply.stored is None else _name(reply)


def _name(reply: Reply) -> tuple[int, str, CircuitState]:
    assert reply.stored is not None
    return reply.stored.version, reply.stored.writer, reply.stored.state


def asks(
    what: str, state: CircuitState, wait: float, who: int, *, is_late: bool
) -> Callable[[Server], Reply | None]:
    def step(server: Server) -> Reply:
        commands = server.instances[who]
        versions = [(0, ""), *sorted(server.states)]
        known = versions[-2:][0] if is_late else versions[-1]
        if what == "restore":  # what somebody knows, and nobody makes up
            told = Proposal(0, server.states.get(known, CircuitState.CLOSED), 0, 0, wait, *known)
        else:
            told = Proposal(0, state, 3, 0, wait, *known)
        return server.ask(commands.script(what, KEY, commands.new_operation(), told))

    return step


def overrides(kind: OverrideKind | None, seconds: float) -> Callable[[Server], Reply | None]:
    def step(server: Server) -> Reply:
        commands = server.instances[0]
        view = None if kind is None else OverrideView(kind, "ann", "a migration", seconds)
        operation = commands.new_operation()
        return server.ask(commands.override("override", KEY, operation, view, by="ann"))

    return step


def adopts(*, is_live: bool, may_close: bool) -> Callable[[Server], Reply | None]:
    def step(server: Server) -> Reply:
        plain = BasicUpdate(due=0.0, is_live=is_live, may_close=may_close)
        return server.ask(server.instances[1].adopt_basic(KEY, plain, 5.0))

    return step


def shows(server: Server) -> Reply | None:
    return server.ask(server.instances[1].script("show", KEY))


def writes_plainly(state: str, wait: int) -> Callable[[Server], Reply | None]:
    def step(server: Server) -> None:
        until = int((BEGAN + server.seconds + wait) * 1000)
        fields = ("state", state, "failures", 0, "successes", 0, "nextAttempt", until)
        server.store.execute(("HSET", NAMES.hash(KEY), *fields))

    return step


def passes(seconds: float) -> Callable[[Server], Reply | None]:
    def step(server: Server) -> None:
        server.seconds += seconds

    return step


STATES = list(CircuitState)
harmless = st.one_of(
    st.builds(adopts, is_live=st.booleans(), may_close=st.booleans()),
    st.just(shows),
    st.builds(writes_plainly, st.sampled_from(STATES), st.sampled_from([-5, 3])),
)
steps = st.one_of(
    st.builds(
        asks,
        st.sampled_from(["change", "reset", "restore"]),
        st.sampled_from(STATES),
        st.sampled_from([0.0, 4.0]),
        st.sampled_from([0, 1]),
        is_late=st.booleans(),
    ),
    st.builds(overrides, st.sampled_from([None, *OverrideKind]), st.sampled_from([2.0, 20.0])),
    st.builds(passes, st.sampled_from([0.01, 1.0, 5.0])),
    harmless,
)


@few_or_many(100, 400)
def test_a_version_never_means_two_states(histories: int) -> None:
    @settings(max_examples=histories, deadline=None)
    @given(steps=st.lists(steps, min_size=2, max_size=14))
    def is_so(steps: list[Any]) -> None:
        server = Server()
        for step in steps:
            reply = step(server)
            if reply is None or reply.stored is None or reply.stored.is_basic:
                continue
            version, writer, state = _name(reply)
            if version:
                assert server.states.setdefault((version, writer), state) is state

    is_so()


@few_or_many(100, 400)
def test_under_an_override_no_plain_word_moves_the_circuits_own_state(histories: int) -> None:
    @settings(max_examples=histories, deadline=None)
    @given(before=st.lists(steps, max_size=8), under=st.lists(harmless, min_size=1, max_size=4))
    def is_so(before: list[Any], under: list[Any]) -> None:
        server = Server()
        for step in before:
            step(server)
        overrides(OverrideKind.FORCED_OPEN, 60.0)(server)
        own = server.below()
        for step in under:
            step(server)
            assert server.below() == own
        shows(server)
        assert server.store.hash(NAMES.hash(KEY))["state"] == "OPEN"  # what is in force

    is_so()
