"""Rules, and sums of what several instances count."""

from __future__ import annotations

from hypothesis import strategies as st

from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.core.statistics import Statistics

outcomes = st.sampled_from(Outcome)
durations = st.sampled_from([None, 0.5, 1.5, 9.0])
# Sixteenths of seconds: both sides cut time into the same buckets.
waits = st.sampled_from([0, 0, 1, 4, 15, 16, 17, 40, 127, 128, 200]).map(lambda steps: steps / 16)


def add(meter: Statistics, *calls: Outcome, now: float = 0.0) -> None:
    for outcome in calls:
        meter.add(now, outcome, None)


steps = st.lists(
    st.tuples(waits, st.one_of(st.none(), st.tuples(outcomes, durations))), max_size=60
)


calls = st.lists(
    st.tuples(st.integers(0, 3), waits, outcomes, durations, st.booleans()), max_size=60
)
