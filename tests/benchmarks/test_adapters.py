"""The self-check: ours passes it, and what does not do what is measured is found out.

That every peer passes it is tried by ``make bench`` itself, before it measures: peers are
installed in its own environment only.
"""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.calls.cases import floors, make, of_ours
from benchmarks.calls.loops import FailureError, fail, work
from benchmarks.peers.adapter import Adapter, Setting, Ways
from benchmarks.peers.check import AdapterError, check
from benchmarks.peers.load import PEERS, load
from benchmarks.peers.ours import Ours


class RejectedError(Exception):
    pass


class Toy(Adapter):
    """A breaker that can be broken in every way that the check looks for."""

    name = "toy"
    rejections = (RejectedError,)
    probing = None

    def __init__(self, **faults: bool) -> None:
        self.faults = faults

    async def make(self, setting: Setting) -> Ways:
        failures = rejections = 0
        threshold = 5 if self.faults.get("always_opens") else setting.threshold

        async def call(fn: Any, *args: Any) -> Any:
            nonlocal failures, rejections
            if self.faults.get("does_not_call"):
                return args[0]
            if failures >= threshold and not self.faults.get("never_opens"):
                rejections += 1
                if self.faults.get("calls_when_open"):
                    await fn(*args)
                if self.faults.get("calls_later") and rejections > 1:
                    await fn(*args)
                if not self.faults.get("rejects_once") or rejections == 1:
                    raise RejectedError
            try:
                answer = await fn(*args)
            except Exception:
                failures += 1
                raise
            return None if self.faults.get("loses_values") else answer

        return Ways(call=call)


async def test_ours_passes() -> None:
    await check(Ours())


async def test_a_breaker_that_does_what_it_should_passes() -> None:
    await check(Toy())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("loses_values", "does not give"),
        ("does_not_call", "reached the function 0 times"),
        ("never_opens", "does not open"),
        ("calls_when_open", "does not open"),
        ("calls_later", "calls the function all the same"),
        ("rejects_once", "does not reject"),
        ("always_opens", "opens though it must not"),
    ],
)
async def test_what_does_not_do_what_is_measured_is_found_out(fault: str, words: str) -> None:
    with pytest.raises(AdapterError, match=words):
        await check(Toy(**{fault: True}))


async def test_probes_that_do_not_run_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peers.check._PATIENCE", 0.05)
    toy = Toy()
    toy.probing = "failing"  # type: ignore[misc]
    with pytest.raises(AdapterError, match="no probe runs"):
        await check(toy)


def test_peers_that_are_not_installed_are_left_out_with_a_reason() -> None:
    found = load()
    names = {adapter.name for adapter in found.adapters}
    assert names | set(found.left_out) == set(PEERS)
    assert not names & set(found.left_out)
    assert all(found.left_out.values())


@pytest.mark.parametrize("way", ["call", "decorator", "async with", "sync call", "sync decorator"])
@pytest.mark.parametrize("state", ["closed", "failing", "open", "half-open"])
async def test_each_loop_of_ours_leaves_its_circuit_in_the_state_that_it_times(
    state: Any, way: str
) -> None:
    ways: list[Ways] = []

    class Watched(Ours):
        async def make(self, setting: Setting) -> Ways:
            ways.append(await super().make(setting))
            return ways[-1]

    made = await make(Watched(), state, way, Setting())
    await made.loop(1_000)
    assert ways[0].is_closed is not None
    assert ways[0].is_closed() is (state in {"closed", "failing"})
    assert ways[0].call is not None
    if state == "open":
        with pytest.raises(Ours.rejections):
            await ways[0].call(work, 1)
    elif state == "failing":
        with pytest.raises(FailureError):
            await ways[0].call(fail, 1)
    else:
        assert await ways[0].call(work, 1) == 1


async def test_all_cases_have_names_of_their_own_and_can_be_run() -> None:
    cases = [*floors(), *await of_ours()]
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        await case.loop(3)
