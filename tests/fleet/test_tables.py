"""The tables in which the exchange keeps what is due: queue, index, crowds, times."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker.fleet.basic_format import BasicUpdate
from fastapi_hybrid_breaker.fleet.crowd import Crowd
from fastapi_hybrid_breaker.fleet.index import Index
from fastapi_hybrid_breaker.fleet.schedule import Schedule
from fastapi_hybrid_breaker.fleet.until import Until
from fastapi_hybrid_breaker.fleet.work_item import WorkItem
from fastapi_hybrid_breaker.fleet.work_queue import WorkQueue
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

from .sessions import times_of


def HORIZON() -> float:
    return 2.0**52


# -- the tables ---------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefgh"), st.sampled_from(["read", "show", "later", "forget"])
        ),
        max_size=40,
    ),
    st.integers(1, 5),
)
def test_the_queue_gives_what_is_ready_in_turns_and_what_is_due_when_it_is(
    edits: list[tuple[str, str]], most: int
) -> None:
    plans = Schedule()
    work, wanted, later = WorkQueue(100, plans), set(), set()
    for key, what in edits:
        if what == "later":
            work.edit(
                key, lambda one: one.adopt_basic(BasicUpdate(9.0, is_live=True, may_close=False))
            )
            later.add(key)
        elif what == "forget":
            work.edit(key, WorkItem.forget_basic)
            later.discard(key)
        else:
            work.want(key, what)  # type: ignore[arg-type]
            wanted.add((key, what))
    assert len(work) == len({key for key, _ in wanted} | later)
    taken = []
    while work.ready:
        piece = [(key, kind) for kind, key, _ in work.take(1.0, most)]
        assert 0 < len(piece) <= most
        assert len({key for key, _ in piece}) == len(piece)
        taken += piece
    assert sorted(taken) == sorted(wanted)
    assert plans.next_due() == (9.0 if later else None)
    due = []
    for plan in plans.take(9.0, 100):
        work.due(*plan, 9.0)
    while work.ready:
        due += [(key, kind) for kind, key, _ in work.take(9.0, most)]
    assert sorted(due) == sorted((key, "plain") for key in later)
    assert len(work) == 0


def ranged(members: dict[bytes, int], command: tuple[Any, ...]) -> list[bytes]:
    """Answer ZREVRANGEBYSCORE as a server does."""
    _, _, top, since, _, _, skip, most = command
    highest = float("inf") if top == "+inf" else float(top)
    found = sorted(
        ((score, key) for key, score in members.items() if since <= score <= highest), reverse=True
    )
    return [part for score, key in found[skip:][:most] for part in (key, b"%d" % score)]


@given(st.lists(st.integers(1, 12), max_size=60), st.integers(1, 7), st.integers(1, 70))
def test_the_index_is_read_in_pages_also_where_many_have_the_same_version(
    scores: list[int], page: int, most: int
) -> None:
    members = {b"k%02d" % at: score for at, score in enumerate(scores)}
    seen: list[str] = []
    index = Index(
        "i",
        most,
        ThrottledLog(lambda: 0.0, ""),
        lambda key, _: seen.append(key),
        HORIZON,
        Schedule(),
        page=page,
    )
    index.read_all()
    for _ in range(200):
        for request in index.due("index", "", 0.0):
            answer = ranged(members, request.command)
            assert len(answer) <= 2 * page
            index.answered(request, answer)
    assert not index.due("index", "", 0.0)
    newest = sorted(((score, key) for key, score in members.items()), reverse=True)[:most]
    assert seen == [key.decode() for _, key in newest]


def test_a_page_of_the_index_without_an_answer_is_asked_for_again() -> None:
    members = {b"k%02d" % at: at + 1 for at in range(10)}
    seen: list[str] = []
    log, plans = ThrottledLog(lambda: 0.0, ""), Schedule()
    index = Index("i", 99, log, lambda key, _: seen.append(key), HORIZON, plans, page=4)
    index.read_all()
    for number in range(20):
        for request in index.due("index", "", 0.0):
            if number % 2:
                index.put_back(request)
            else:
                index.answered(request, ranged(members, request.command))
    assert not index.due("index", "", 0.0)
    assert set(seen) == {key.decode() for key in members}


def test_the_index_is_written_some_members_at_a_time() -> None:
    log, plans = ThrottledLog(lambda: 0.0, ""), Schedule()
    index = Index("i", 9_999, log, lambda *_: None, HORIZON, plans, page=4)
    for at in range(10):
        index.note(f"k{at}", at)
    written = []
    while plans.take(0.0, 1):
        (add, *_) = index.due("index", "", 0.0)
        written.append(add.versions)
    assert [len(one) for one in written] == [4, 4, 2]
    assert sorted(key for one in written for key in one) == [f"k{at}" for at in range(10)]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 50), st.booleans()), max_size=60))
def test_a_crowd_counts_those_within_about_a_second(notes: list[tuple[str, float, bool]]) -> None:
    crowd, moments = Crowd(), {}
    for key, at, is_dropped in notes:
        if is_dropped:
            crowd.drop(key)
            moments.pop(key, None)
        else:
            crowd.note(key, at)
            moments[key] = at
    for at in range(50):
        surely = sum(abs(moment - at) < 1.0 for moment in moments.values())
        perhaps = sum(abs(moment - at) <= 1.5 for moment in moments.values())
        assert surely <= crowd.near(at) <= perhaps


def test_times_that_are_over_are_dropped_and_not_looked_for_with_each_key() -> None:
    until = Until()
    for number in range(5_000):
        until.note(f"k{number}", number + 10.0, float(number))
    assert len(times_of(until)) <= 1_001
    assert until.get("k4999") == 5_009.0
    assert until.get("k0") == 0.0
    for number in range(5_000):  # all of them hold: they are kept, and the bound rises
        until.note(f"m{number}", 1e9, 5_000.0)
    assert sum(key.startswith("m") for key in times_of(until)) == 5_000
