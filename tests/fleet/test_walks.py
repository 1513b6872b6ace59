"""Work on many circuits in pieces: what each part of it does, without a server or a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.core.states import FAILURE
from fastapi_hybrid_breaker.fleet.basic_format import BasicUpdate
from fastapi_hybrid_breaker.fleet.exchange import Exchange
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.own_instance import OwnInstance
from fastapi_hybrid_breaker.fleet.unhealthy import AT_ONCE, MOST, UnhealthyCircuits
from fastapi_hybrid_breaker.fleet.walks import Walks
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .sessions import replace_rereading_of_changes, set_next_heartbeat

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.fleet.work_item import Request

BATCH = 50


KEYS = [f"host-{number:04}" for number in range(1_203)]


class Alone:
    """An exchange whose requests nobody sends."""

    def __init__(self, keys: list[str], **options: Any) -> None:
        self.clock = ManualClock()
        config = CircuitConfig(failure_threshold=1, recovery_timeout=600.0)
        self.breaker = HybridBreaker(redis=None, defaults=config, clock=self.clock, **options)
        for key in keys:
            self.breaker.circuit(key)
        self.own = OwnInstance(
            "me", Names("circuit"), inside.registry_of(self.breaker), clock=self.clock
        )
        self.exchange = Exchange(self.own)
        inside.sync_of(self.breaker).changed = self.exchange.changed
        inside.sync_of(self.breaker).touched = self.exchange.touched

    def pieces(self) -> list[list[Request]]:
        """Return all that is due, piece by piece; all of it is as good as answered."""
        pieces = []
        while self.exchange.next_due() == 0.0 or (self.exchange.next_due() or 1e9) <= self.clock():
            pieces.append(self.exchange.take(BATCH))
            assert len(pieces) < 10_000
        return pieces


def reads(pieces: list[list[Request]]) -> list[str]:
    return [one.key for piece in pieces for one in piece if one.kind == "read"]


# -- after a subscription ---------------------------------------------------------------------


def test_a_subscription_reads_every_circuit_once_and_50_at_a_time() -> None:
    alone = Alone(KEYS, circuits={"declared": CircuitConfig()})
    alone.exchange.read_all()
    assert len(alone.own.work) == 0  # nothing is done at once
    pieces = alone.pieces()
    assert sorted(reads(pieces)) == sorted([*KEYS, "declared"])
    assert max(map(len, pieces)) <= BATCH + 5 * 7 + 1


def test_another_subscription_amid_the_reading_begins_anew() -> None:
    alone = Alone(KEYS)
    alone.exchange.read_all()
    for _ in range(5):
        alone.exchange.take(BATCH)
    alone.exchange.read_all()
    assert sorted(reads(alone.pieces())) == KEYS


def test_a_circuit_that_is_evicted_amid_the_reading_is_passed_over() -> None:
    alone = Alone(KEYS[:500], max_circuits=500)
    alone.exchange.read_all()
    alone.exchange.take(BATCH)
    for number in range(200):
        alone.breaker.circuit(f"new-{number}")
    assert inside.registry_of(alone.breaker).overflow is None  # no walk holds a circuit
    alone.pieces()
    assert alone.own.faults.defects.count == 0


def test_nothing_is_reported_of_a_circuit_before_it_has_been_read_for_the_first_time() -> None:
    alone = Alone(KEYS)
    alone.exchange.read_all()
    last = alone.breaker.circuit(KEYS[-1], None)
    inside.settle(last, inside.admit(last), FAILURE)
    assert KEYS[-1] in alone.own.lag.unread
    kinds = {one.kind for piece in alone.pieces() for one in piece if one.key == KEYS[-1]}
    assert "report" not in kinds


def test_a_message_about_a_circuit_whose_turn_has_not_come_is_followed_at_once() -> None:
    alone = Alone(KEYS)
    alone.exchange.read_all()
    alone.exchange.take(BATCH)
    alone.exchange.inbox.found(KEYS[-1], None, is_live=False)  # as if its hash had been read
    assert KEYS[-1] not in alone.own.lag.unread
    assert KEYS[-1] in reads(alone.pieces())


def test_a_visit_that_raises_costs_itself_alone() -> None:
    alone = Alone(KEYS[:200])

    def broken(circuit: Any) -> None:
        if circuit.key == KEYS[70]:
            raise OverflowError

    replace_rereading_of_changes(alone.exchange, broken)
    alone.exchange.read_all()
    assert sorted(reads(alone.pieces())) == KEYS[:200]
    assert alone.own.faults.defects.count == 1


def test_plain_news_that_is_not_due_yet_holds_up_no_walk() -> None:
    alone = Alone(KEYS[:60])
    for number in range(200):
        plain = BasicUpdate(due=alone.clock() + 1000.0, is_live=True, may_close=False)
        alone.own.work.edit(f"plain-{number}", lambda one, p=plain: one.adopt_basic(p))
    alone.exchange.read_all()
    assert sorted(reads(alone.pieces())) == KEYS[:60]
    alone.clock.advance(1000.0)
    taken = [one.kind for piece in alone.pieces() for one in piece]
    assert taken.count("plain") == 200


def test_leaving_ends_the_walks() -> None:
    alone = Alone(KEYS)
    alone.exchange.read_all()
    alone.exchange.take(BATCH)
    alone.exchange.leave()
    requests = [one for piece in alone.pieces() for one in piece]
    assert len(requests) < 2 * BATCH
    assert [one.kind for one in requests].count("heartbeat") == 1


# -- repair, heartbeat, changes -----------------------------------------------------------------


def test_a_repair_of_open_circuits_reads_each_of_them_50_at_a_time() -> None:
    alone = Alone(KEYS)
    for key in KEYS:
        inside.open_here(alone.breaker.circuit(key), 60.0)
    alone.pieces()
    alone.exchange.rereading.repair()
    pieces = alone.pieces()
    assert sorted(set(reads(pieces))) == KEYS
    assert max(map(len, pieces)) <= BATCH + 5 * 7 + 1


@pytest.mark.parametrize("number", [0, 1, 49, 50, 51, 400])
def test_a_heartbeat_looks_at_50_circuits_at_a_time_and_tells_the_worst(number: int) -> None:
    alone = Alone(KEYS[:number])
    troubles = UnhealthyCircuits(inside.registry_of(alone.breaker))
    for at, key in enumerate(KEYS[:number]):
        circuit = alone.breaker.circuit(key)
        inside.open_here(circuit, 60.0)
        troubles.changed(circuit, 0)
        circuit.rejected = at
    looks = 1
    while not troubles.look_on(100.0):
        looks += 1
    assert looks == max(1, -(-number // AT_ONCE))
    alone.clock.advance(1.0)
    for key in KEYS[:number]:
        alone.breaker.circuit(key).rejected += int(key[-4:])
    troubles.report(100.0)
    said = troubles.report(101.0)
    assert list(said["circuits"]) == KEYS[:number][::-1][:MOST]
    assert said["more"] == max(0, number - MOST)


def test_a_heartbeat_of_many_open_circuits_is_sent_once_all_were_looked_at() -> None:
    alone = Alone(KEYS)
    for key in KEYS:
        inside.open_here(alone.breaker.circuit(key), 600.0)
    alone.pieces()
    alone.clock.advance(6.0)
    pieces = alone.pieces()
    sent = [
        number for number, piece in enumerate(pieces) for one in piece if one.kind[:5] == "heart"
    ]
    assert len(sent) == 1
    assert sent[0] + 1 >= len(KEYS) // AT_ONCE


def test_no_part_starves_however_much_there_is_to_read() -> None:
    alone = Alone(KEYS)
    for key in KEYS:
        alone.exchange.read(key)
    first = alone.exchange.take(BATCH)
    assert "heartbeat" in {one.kind for one in first}


def test_what_ends_together_is_ended_50_at_a_time() -> None:
    alone = Alone(KEYS)
    for key in KEYS:
        alone.exchange.overrides.note_end(key, 5.0)
    alone.pieces()
    alone.clock.advance(1e6)
    pieces = alone.pieces()
    shown = [sum(one.kind == "show" for one in piece) for piece in pieces]
    assert sum(shown) == len(KEYS)
    assert max(shown) <= BATCH


def go_on(alone: Alone, walks: Walks, times: int) -> None:
    """Let walks go on that are planned, so many times; without what else is due."""
    set_next_heartbeat(alone.exchange, None)
    for _ in range(times):
        for plan, name in alone.own.schedule.take(0.0, 10):
            assert list(walks.due(plan, name, 0.0)) == []


@pytest.fixture
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastapi_hybrid_breaker.fleet.walks._AT_ONCE", 2)
    monkeypatch.setattr("fastapi_hybrid_breaker.fleet.walks._LEAST", 2)


@pytest.mark.usefixtures("two_at_a_time")
def test_several_walks_go_on_side_by_side() -> None:
    alone, visited = Alone([]), list[str]()
    walks = Walks(alone.own)
    walks.begin("a", "abc", visited.append)
    walks.begin("b", "xyz", visited.append)
    go_on(alone, walks, 1)
    walks.begin("a", "ABC", visited.append)  # in place of the first
    go_on(alone, walks, 4)
    assert "".join(visited) == "abxyABzC"
    assert alone.own.schedule.next_due() is None


@pytest.mark.usefixtures("two_at_a_time")
def test_a_walk_that_begins_itself_anew_goes_on() -> None:
    alone, visited = Alone([]), list[str]()
    walks = Walks(alone.own)

    def visit(key: str) -> None:
        visited.append(key)
        if len(visited) == 2:
            walks.begin("a", "xy", visit)

    walks.begin("a", "ab", visit)
    go_on(alone, walks, 3)
    assert "".join(visited) == "abxy"


@pytest.mark.usefixtures("two_at_a_time")
def test_a_visit_that_fails_is_not_the_end_of_a_walk() -> None:
    alone, visited = Alone([]), list[str]()
    walks = Walks(alone.own)

    def visit(key: str) -> None:
        visited.append(key)
        if key in "ac":
            raise ZeroDivisionError

    walks.begin("a", "abcd", visit)
    go_on(alone, walks, 3)
    assert "".join(visited) == "abcd"
    assert alone.own.faults.defects.count == 2
