"""Windows against a model that keeps every call and counts those within."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import CountWindow, TimeWindow

KINDS = st.integers(0, 4)
# Sums of these are exact as floats, so that the model's edges are the window's.
STEPS = st.integers(0, 64).map(lambda steps: steps / 16)


def count(kinds: list[int]) -> list[int]:
    return [kinds.count(kind) for kind in range(5)]


@given(st.integers(1, 12), st.lists(KINDS, max_size=60))
def test_a_count_window_holds_the_last_calls(size: int, kinds: list[int]) -> None:
    counts = CountWindow(size).counts()
    for at, kind in enumerate(kinds):
        counts.add(float(at), kind)
        assert counts.by_kind == count(kinds[max(0, at + 1 - size) : at + 1])
    counts.forget(1e9)
    assert counts.by_kind == count(kinds[-size:])
    counts.clear()
    assert counts.by_kind == [0] * 5


@given(
    st.sampled_from([0.25, 0.5, 1.0, 2.0]),
    st.integers(1, 8),
    st.lists(st.tuples(STEPS, KINDS), max_size=60),
)
def test_a_time_window_holds_its_present_bucket_and_those_before(
    width: float, buckets: int, calls: list[tuple[float, int]]
) -> None:
    counts = TimeWindow(width * buckets, buckets).counts()
    now = 1000.0
    seen: list[tuple[int, int]] = []
    for step, kind in calls:
        now += step
        counts.add(now, kind)
        bucket = int(now // width)
        seen.append((bucket, kind))
        within = [one for at, one in seen if at > bucket - buckets]
        assert counts.by_kind == count(within)


@given(st.integers(1, 8), st.lists(KINDS, min_size=1, max_size=9), st.floats(1.0, 50.0))
def test_idle_for_longer_than_its_length_it_is_empty(
    buckets: int, kinds: list[int], beyond: float
) -> None:
    counts = TimeWindow(8.0, buckets).counts()
    for kind in kinds:
        counts.add(100.0, kind)
    counts.forget(100.0 + 8.0 * beyond)
    assert counts.by_kind == [0] * 5
    counts.add(100.0 + 8.0 * beyond, 1)
    assert counts.by_kind == count([1])


@pytest.mark.parametrize(("at", "left"), [(1.0, 2), (9.999, 2), (10.0, 1), (10.999, 1), (11.0, 0)])
def test_a_bucket_leaves_as_a_whole_at_its_edge(at: float, left: int) -> None:
    counts = TimeWindow(10.0, 10).counts()
    counts.add(0.999, 1)
    counts.add(1.0, 1)
    counts.forget(at)
    assert counts.by_kind[1] == left


def test_a_call_whose_thread_read_the_clock_before_another_counts_all_the_same() -> None:
    counts = TimeWindow(10.0, 10).counts()
    counts.add(5.0, 1)
    counts.add(4.9, 1)
    assert counts.by_kind[1] == 2


@given(
    st.floats(0.001, 3600.0),
    st.integers(1, 100),
    st.lists(st.tuples(st.floats(0, 1e5, allow_nan=False), KINDS), max_size=40),
)
def test_no_rounding_makes_a_count_negative(
    seconds: float, buckets: int, calls: list[tuple[float, int]]
) -> None:
    counts = TimeWindow(seconds, buckets).counts()
    now = 0.0
    for step, kind in calls:
        now += step
        counts.add(now, kind)
        assert min(counts.by_kind) >= 0
        assert counts.by_kind[kind] >= 1


def size_of(thing: Any) -> int:
    """Return the bytes of a thing and of all that it alone refers to."""
    seen: dict[int, Any] = {}
    left = [thing]
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, type):
            continue
        seen[id(one)] = one
        left.extend(gc.get_referents(one))
    return sum(sys.getsizeof(one) for one in seen.values())


@pytest.mark.parametrize("window", [CountWindow(100), TimeWindow(60.0)], ids=str)
def test_memory_does_not_grow_with_the_traffic(window: CountWindow | TimeWindow) -> None:
    counts = window.counts()

    def after(calls: int) -> int:
        for at in range(calls):
            counts.add(at / 100, at % 5)
        return size_of(counts)

    few, many = after(20_000), after(100_000)
    assert many <= few + 64  # numbers above 256 are objects of their own, up to some point
    assert many < 4096
