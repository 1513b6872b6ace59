"""``make fuzz``: all that reads what comes from Redis gets all that may come, for ten CPU minutes.

Each target gets odd values by turns, and must raise nothing but ``MalformedError`` and keep no
memory. ``test_fuzz.py`` runs a short version of it with a fixed seed.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import time
from collections.abc import Callable
from typing import Any, Final

import hypothesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.fleet.about_instances import AboutInstance, parse_pairs
from fastapi_hybrid_breaker.fleet.answers import (
    RUN_FIELDS,
    VOTE_FIELDS,
    parse_lease,
    parse_reply,
    parse_run,
    parse_sums,
    parse_votes,
)
from fastapi_hybrid_breaker.fleet.exchange import Exchange
from fastapi_hybrid_breaker.fleet.heartbeat import read_instances
from fastapi_hybrid_breaker.fleet.index import Index
from fastapi_hybrid_breaker.fleet.messages import (
    HASH_FIELDS,
    parse_hash,
    parse_message,
    parse_signal,
)
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.own_instance import OwnInstance
from fastapi_hybrid_breaker.fleet.shared_override import SharedOverride
from fastapi_hybrid_breaker.fleet.shared_state import SharedState
from fastapi_hybrid_breaker.fleet.values import MalformedError, as_text
from fastapi_hybrid_breaker.fleet.work_item import Request
from fastapi_hybrid_breaker.testing import ManualClock
from fastapi_hybrid_breaker.throttled_log import ThrottledLog
from tests import inside

from .evidence_in_json import evidence_in, quoted_evidence
from .odd import answers, as_json, binary, depths, mangled, spoilt, texts, values

Check = Callable[[Any], object]

MOST_KEPT: Final = 64 * 1024 * 1024
"""Bytes by which the process may grow while it is fuzzed, beyond its first minute."""

NOW: Final = 1_790_000_000.0
KEY: Final = "inventory-api"
STATS: Final = {"state": "OPEN", "failures": 5, "successes": 0, "nextAttempt": 1_790_000_060_000}
OVERRIDE: Final = {
    "version": "5",
    "writer": "a",
    "kind": "disabled",
    "ends": 0,
    "about": {"by": "a"},
}
MESSAGE: Final = {
    "key": KEY,
    "stats": STATS,
    "p": 1,
    "version": "1790000000000000",
    "writer": "abcdef",
    "at": 1_790_000_000_000,
    "reopened": 0,
    "why": {"cause": "failures", "failures": 5},
    "under": STATS,
    "closedAt": 1,
    "ramp": 1,
    "override": OVERRIDE,
}
SIGNAL: Final = {
    "p": 1,
    "signal": "probing",
    "key": KEY,
    "version": "1",
    "writer": "a",
    "ms": 5,
    "by": "a",
    "running": {"a": 1},
    "successes": 1,
    "at": 1_790_000_000_000.5,
    "live": 2,
}
HASH: Final = (
    *(b"OPEN", b"5", b"0", b"1790000060000", b"12", b"a", b"5", b"OPEN|5|0|1790000060000"),
    *(b"1", b"2", b'{"cause":"failures"}', b"CLOSED|1|0|0", b"3", b"4", b"12"),
)
REPLY: Final = (
    *(b"done", b"12", b"a", b"OPEN", b"5", b"0", b"1790000060000", b"5", b"1790000000000000"),
    *(b"2", b'{"cause":"failures"}', b"5|a|disabled|0|{}", b"3", b"4"),
)
SUMS: Final = (b"done", b"3", b"-1", b"5", b"1", b"10.0 s by 10", b"1,2,3,4,5")
RUN: Final = (b"12|a", b"1790000000000000:a", b"3:1790000000000000", b"1790000000000")
VOTES: Final = (b"12|a", b"a:1790000060000 b:1")
ABOUT: Final = {
    "host": "box",
    "started": 1.5,
    "version": "1",
    "circuits": {KEY: ["OPEN", 1.5]},
    "more": 1,
    "ready": [KEY],
    "shadow": {KEY: [2, 1]},
}


def _listed(well: tuple[bytes, ...]) -> st.SearchStrategy[Any]:
    """A list of texts as it should come, with some of them as they should not."""
    one = st.one_of(*(st.just(part) | mangled(part) for part in well)) | st.none() | answers
    fixed = st.tuples(*(st.just(part) | mangled(part) | answers for part in well)).map(list)
    return fixed | st.lists(one, max_size=20) | answers


def _json(well: dict[str, Any]) -> st.SearchStrategy[bytes]:
    return (
        spoilt(well).map(as_json) | mangled(as_json(well)) | values.map(as_json) | depths | binary
    )


def _use(heard: SharedState | None, override: SharedOverride | None) -> None:
    if heard is not None:
        heard.news(NOW)
        heard.news(None)
        heard.stats(CircuitConfig(), NOW, NOW)
        json.dumps(heard.failures + heard.successes + heard.reopenings).encode()
    if override is not None:
        override.news(NOW)
        override.news(None)
        f"{override.about.by}{override.about.reason}{override.writer}".encode()


def _message(data: bytes) -> None:
    key, heard, override = parse_message(data)
    key.encode()
    _use(heard, override)


def _reply(answer: Any) -> None:
    reply = parse_reply(answer)
    _use(reply.stored, reply.override)
    reply.effective_override()


def _evidence(text: str) -> None:
    for found in (quoted_evidence(text), evidence_in({"by": text, "failures": text})):
        if found is not None:
            f"{found.by}{found.reason}{found.error}{found.rule}{found.cause}{found.window}".encode()


def _instances(answer: Any) -> None:
    pairs = parse_pairs(answer)
    seen = dict.fromkeys(pairs, "1790000000000") | {"a": "1", "b": "9" * 310}
    found = read_instances(seen, answer, NOW, ThrottledLog(lambda: 0.0, ""))
    for one in found:
        shown = [one.id, one.host, one.library, one.started, one.more, *(one.circuits or ())]
        json.dumps(shown, ensure_ascii=False, allow_nan=False).encode()


def _troubles(data: bytes) -> None:
    said = json.loads(data)
    if isinstance(said, dict):
        AboutInstance.read(said).unhealthy()


def _json_or_malformed(check: Check) -> Check:
    def checked(data: Any) -> None:
        try:
            check(data)
        except (ValueError, RecursionError):
            return

    return checked


def _index(answer: Any) -> None:
    seen: list[tuple[str, int]] = []
    log = ThrottledLog(lambda: 0.0, "")
    index = Index("i", 9, log, lambda key, at: seen.append((key, at)), lambda: 2.0**60)
    index.answered(Request("index_read", "", (), versions={"": 0}), answer)
    assert all(0 <= version < 2**53 and key.encode() for key, version in seen)


class _Process:
    """An instance to which everything may come; what its parts do not expect is counted."""

    def __init__(self) -> None:
        clock = ManualClock()
        breaker = HybridBreaker(redis=None, clock=clock, max_circuits=9)
        self.circuit = breaker.circuit(KEY)
        self.own = OwnInstance("me", Names("circuit"), inside.registry_of(breaker), clock=clock)
        self.exchange = Exchange(self.own)
        self.exchange.read(KEY)
        self.exchange.overrides.read_all()

    def hears(self, data: bytes) -> None:
        self.exchange.inbox.receive(data)
        self.exchange.inbox.receive_signal(data)
        assert self.own.faults.defects.count == 0

    def is_answered(self, given: list[Any]) -> None:
        for _ in range(3):
            requests = self.exchange.take(100)
            some = [given[at % len(given)] if given else None for at in range(len(requests))]
            self.exchange.answered(requests, some, 0.0, 0.0)
        assert self.own.faults.defects.count == 0


TARGETS: Final[dict[str, tuple[st.SearchStrategy[Any], Check]]] = {
    "message": (_json(MESSAGE), _message),
    "signal": (_json(SIGNAL), lambda data: parse_signal(data).key.encode(errors="replace")),
    "hash": (_listed(HASH), lambda values: _use(parse_hash(values), None)),
    "reply": (_listed(REPLY), _reply),
    "sums": (_listed(SUMS), parse_sums),
    "run": (_listed(RUN), lambda answer: parse_run(answer, (12, "a"), NOW)),
    "votes": (_listed(VOTES), lambda answer: "".join(parse_votes(answer, None, NOW)).encode()),
    "lease": (_listed((b"granted", b"4000", b"1", b"0")), parse_lease),
    "register": (
        mangled(b'5|a|disabled|1790000060000|{"by":"ann"}') | binary | depths,
        lambda data: _use(None, SharedOverride.read_register(as_text(data))),
    ),
    "override": (
        spoilt(OVERRIDE) | values,
        lambda said: _use(None, SharedOverride.read(said)),
    ),
    "evidence": (texts | _json({"cause": "a", "by": "b", "failures": 1}).map(as_text), _evidence),
    "instances": (
        st.lists(st.sampled_from([b"a", b"b"]) | _json(ABOUT), max_size=6) | answers,
        _instances,
    ),
    "troubles": (_json(ABOUT), _json_or_malformed(_troubles)),
    "index": (_listed((b"inventory-api", b"12", b"other", b"1790000000000000")), _index),
    "heard by a process": (
        _json(MESSAGE) | _json(SIGNAL),
        lambda data: _Process().hears(data),
    ),
    "answers to a process": (
        st.lists(_listed(HASH) | _listed(REPLY) | _listed(SUMS) | answers, max_size=4),
        lambda given: _Process().is_answered(given),
    ),
}
assert len(RUN) == len(RUN_FIELDS)
assert len(VOTES) == len(VOTE_FIELDS)
assert len(HASH) == len(HASH_FIELDS)


def run(name: str, examples: int, seed: int) -> None:
    """Return a target so many odd values.

    Raises:
        Exception: whatever it raised beside ``MalformedError``.
    """
    strategy, check = TARGETS[name]

    @hypothesis.seed(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def fuzz(value: Any) -> None:
        try:
            check(value)
        except MalformedError as error:
            assert len(str(error)) < 1_000

    fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of CPU")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--examples", type=int, default=1_000, help="in a row for one target")
    given_arguments = parser.parse_args()
    logging.disable()  # what is dropped is logged, once a minute for each process that is made here
    seed, rounds, settled = given_arguments.seed, 0, 0
    end = time.process_time() + given_arguments.minutes * 60
    print(f"seed {seed}, {len(TARGETS)} targets")  # noqa: T201 - a program
    while time.process_time() < end:
        for name in TARGETS:
            run(name, given_arguments.examples, seed + rounds)
        rounds += 1
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        settled = settled if rounds > 2 else size
        assert size - settled < MOST_KEPT, f"grew by {size - settled} bytes"
    total = rounds * len(TARGETS) * given_arguments.examples
    said = f"{total:,} values in {rounds} rounds: nothing escaped, at most {size >> 20} MiB"
    print(said)  # noqa: T201 - a program


if __name__ == "__main__":
    main()
