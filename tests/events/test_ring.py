"""The ring of events against a plain list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker.web.events.ring import Ring


@given(st.lists(st.binary(max_size=9), max_size=40), st.integers(1, 10), st.integers(1, 40))
def test_it_keeps_the_newest_within_its_bounds(
    events: list[bytes], most: int, largest: int
) -> None:
    ring = Ring(most, largest)
    for number, event in enumerate(events, 1):
        assert ring.end == number
        ring.add(event)
    kept = events[ring.first - 1 :]
    assert len(kept) <= most
    assert sum(map(len, kept)) <= largest or len(kept) == 1
    if ring.first > 1:  # one more would be too many, or too large
        more = events[ring.first - 2 :]
        assert len(more) > most or sum(map(len, more)) > largest


@given(
    st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=40),
    st.integers(1, 30),
    st.data(),
)
def test_whoever_reads_on_gets_everything_in_order(
    events: list[bytes], most_bytes: int, data: st.DataObject
) -> None:
    ring = Ring(most=20)
    for event in events:
        ring.add(event)
    start = position = data.draw(st.integers(ring.first, ring.end))
    read = []
    while position < ring.end:
        chunk, following = ring.read(position, most_bytes)
        assert following > position
        assert len(chunk) < most_bytes + 9
        read.append(chunk)
        position = following
    assert b"".join(read) == b"".join(events[start - 1 :])


def test_positions_that_are_gone_or_never_were_are_not_held() -> None:
    ring = Ring(most=2)
    for _ in range(5):
        ring.add(b"x")
    assert [position for position in range(8) if ring.holds(position)] == [4, 5, 6]


def test_after_forgetting_nobody_goes_on() -> None:
    ring = Ring()
    ring.add(b"x")
    ring.forget()
    assert not ring.holds(1)
    assert not ring.holds(2)
    assert ring.holds(ring.end)
