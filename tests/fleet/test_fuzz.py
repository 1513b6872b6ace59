"""The short version of ``make fuzz``: every reader of what comes from Redis, with a fixed seed."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from fastapi_hybrid_breaker.fleet.messages import LARGEST_MESSAGE
from fastapi_hybrid_breaker.fleet.values import MalformedError

from .fuzz import TARGETS, run

BIG: dict[str, Any] = {
    "message": b"[" * LARGEST_MESSAGE,
    "signal": b'{"a":' * 800,
    "hash": [b"9" * 1_000_000] * 15,
    "reply": [b"9" * 1_000_000] * 14,
    "sums": [b"1"] * 100_001,
    "register": b"5|a|disabled|0|" + b"[" * 1_000_000,
    "evidence": "[" * 1_000_000,
    "index": [b"a", b"9" * 1_000_000] * 1_000,
}


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_but_malformed_escapes_from_a_reader(target: str) -> None:
    run(target, examples=25, seed=1)


@pytest.mark.parametrize("target", BIG)
def test_something_huge_costs_no_more_than_a_few_times_its_size(target: str) -> None:
    _, check = TARGETS[target]
    value = BIG[target]
    tracemalloc.start()
    try:
        check(value)
    except MalformedError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 24 * 1024 * 1024
