"""Whatever comes late, twice, out of order or never: one version is one state for all."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_hybrid_breaker import CircuitOpenError
from fastapi_hybrid_breaker.core.retention import loss_of
from tests import inside
from tests.lengths import few_or_many

from .player import KEY, Player

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi_hybrid_breaker.core.circuit_core import CircuitCore
    from fastapi_hybrid_breaker.fleet.work_item import Request

    from .server import Server

pytestmark = pytest.mark.every_server

ROUNDS: Final = 5
"""Exchanges after which all must be at rest."""


class Slow(Player):
    """A player whose requests, answers and messages take their time."""

    def __init__(self, server: Server, instance: str, **config: Any) -> None:
        super().__init__(server, instance, **config)
        self.under_way: list[Request] = []
        self.answers: list[Any] | None = None
        self.waiting: list[bytes] = []

    @property
    def core(self) -> CircuitCore:
        return inside.core_of(self.circuit)

    def calls(self, *, works: bool) -> None:
        with contextlib.suppress(CircuitOpenError):
            self.succeed() if works else self.fail()

    def asks(self) -> None:
        if not self.under_way:
            self.under_way = self.take()

    def arrives(self) -> None:
        if self.under_way and self.answers is None:
            self.answers = self.deliver(self.under_way)

    def hears_the_answer(self) -> None:
        if self.answers is not None:
            requests, answers = self.under_way, self.answers
            self.under_way, self.answers = [], None
            self.answer(requests, answers)

    def waits_in_vain(self, *, is_cut_off: bool) -> None:
        """Return the answer up; who is cut off misses the messages and reads everything."""
        self.exchange.put_back(self.under_way)
        self.under_way, self.answers = [], None
        if is_cut_off:
            self.messages()
            self.waiting.clear()
            self.exchange.read_all()

    def gets_a_message(self, which: int, *, again: bool) -> None:
        self.waiting += self.messages()
        if self.waiting:
            which %= len(self.waiting)
            self.exchange.inbox.receive(self.waiting[which] if again else self.waiting.pop(which))

    def is_evicted(self) -> None:
        """Forget the circuit, as the registry does for want of room with one that may go."""
        if loss_of(self.core, self.clock(), is_used=True) is not None:
            del inside.registry_of(self.breaker).by_key[KEY]

    def send(self) -> None:
        """Send all there is, with prompt answers, but for what is under way."""
        if not self.under_way:
            super().send()

    def rests(self) -> None:
        self.send()
        self.waiting += self.messages()
        while self.waiting:
            self.exchange.inbox.receive(self.waiting.pop(0))


who = st.integers(0, 1)
Step = tuple[int, "Callable[[Slow], object]"]


def on_one(act: Any, **arguments: Any) -> st.SearchStrategy[Step]:
    """Draw one of the players, and with what it does something."""
    does = st.builds(lambda **drawn: lambda player: act(player, **drawn), **arguments)
    return st.tuples(who, does)


steps = st.one_of(
    on_one(Slow.calls, works=st.just(value=False)),
    on_one(Slow.calls, works=st.booleans()),
    on_one(Slow.reset),
    on_one(Slow.send),
    on_one(Slow.asks),
    on_one(Slow.arrives),
    on_one(Slow.hears_the_answer),
    on_one(Slow.waits_in_vain, is_cut_off=st.booleans()),
    on_one(Slow.gets_a_message, which=st.integers(0, 3), again=st.booleans()),
    on_one(Slow.is_evicted),
    on_one(lambda player, seconds: player.clock.advance(seconds), seconds=st.sampled_from([1, 31])),
    on_one(lambda player: player.exchange.rereading.repair()),
)


@contextlib.contextmanager
def two_players(server: Server, **config: Any) -> Iterator[list[Slow]]:
    server.ask.flushall()
    players = [Slow(server, name, **config) for name in ("aaaa", "bbbb")]
    try:
        yield players
    finally:
        for player in players:
            player.close()


def play(server: Server, schedule: list[Step], **config: Any) -> None:
    """Let two players take these steps: a version is one state, and in the end all agree."""
    known: dict[tuple[int, str], str] = {}
    with two_players(server, **config) as players:
        for number, step in schedule:
            step(players[number])
            for player in players:
                core = inside.of(player.circuit)
                orders = player.own.work.operations.keys()
                if core.version and not core.unsynced and not orders:
                    version = core.version, core.writer
                    assert known.setdefault(version, core.state) == core.state
        for player in players:
            player.waits_in_vain(is_cut_off=False)
        for turn in range(ROUNDS):
            for player in players:
                if turn == 1:
                    player.exchange.read_all()
                player.rests()
                player.clock.advance(0.15)
        stored = server.hash(KEY)
        for player in players:
            assert not inside.of(player.circuit).unsynced
            assert player.version == int(stored.get("version", 0))
            if player.version:
                assert player.state == stored["state"]


@few_or_many(60, 500)
def test_a_version_is_one_state_for_all_and_at_rest_all_have_the_servers(
    server: Server, histories: int
) -> None:
    @settings(max_examples=histories, deadline=None)
    @given(
        schedule=st.lists(steps, min_size=8, max_size=40),
        recovery_timeout=st.sampled_from([0.05, 30.0]),
        success_threshold=st.sampled_from([1, 2]),
    )
    def is_so(schedule: list[Step], recovery_timeout: float, success_threshold: int) -> None:
        play(
            server,
            schedule,
            recovery_timeout=recovery_timeout,
            success_threshold=success_threshold,
        )

    is_so()
