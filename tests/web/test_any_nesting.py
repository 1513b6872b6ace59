"""Guarded calls and routes of one circuit, nested in any way: nothing is rejected for ever.

A program is a tree of guarded calls, which run after each other or at once, in the context of what
encloses them, in a task, or in an empty context, as an executor or a worker has it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CircuitOpenError,
    CircuitState,
    HybridBreaker,
)
from fastapi_hybrid_breaker.circuits.context import current_request, enter_request, leave_request
from fastapi_hybrid_breaker.testing import ManualClock
from fastapi_hybrid_breaker.web.problem import RouteRejectedError
from fastapi_hybrid_breaker.web.record import RouteRequest
from tests import inside
from tests.lengths import few_or_many

from .bench import trip

SHAPES = ("route", "call", "guard")
PLACES = ("same", "task", "apart")
ENDS = ("well", "fails", "is cancelled", "is rejected elsewhere", "times out")


class UpstreamError(Exception):
    pass


@dataclass(frozen=True)
class Node:
    """One guarded call: ``inside`` are the calls that it makes, where, and whether at once."""

    shape: str
    place: str
    at_once: bool
    handles: bool
    end: str
    inside: tuple[Node, ...]


def programs(shapes: tuple[str, ...], ends: tuple[str, ...], *, handles: bool) -> Any:
    def node(inside: Any) -> Any:
        return st.builds(
            Node,
            st.sampled_from(shapes),
            st.sampled_from(PLACES),
            st.booleans(),
            st.booleans() if handles else st.just(False),
            st.sampled_from(ends),
            inside,
        )

    leaves = node(st.just(()))
    return st.recursive(
        leaves, lambda inner: node(st.lists(inner, max_size=3).map(tuple)), max_leaves=9
    )


class World:
    """One circuit, and the programs that run under it."""

    def __init__(self, config: CircuitConfig) -> None:
        self.clock = ManualClock()
        self.breaker = HybridBreaker(redis=None, defaults=config, clock=self.clock)
        self.circuit: Circuit = self.breaker.circuit("inventory-api")
        self.failures = 0  # of calls that no other call of this circuit made

    def check(self) -> None:
        probes = inside.of(self.circuit).probes or ()
        assert len(probes) <= self.circuit.config.probe_places
        assert all(not probe.settled for probe in probes)

    async def run(self, node: Node) -> None:
        self.check()
        body = self._body(node)
        try:
            await getattr(self, f"_in_{node.shape}")(body)
        finally:
            self.check()

    def _body(self, node: Node) -> Callable[[], Awaitable[None]]:
        async def body() -> None:
            await asyncio.sleep(0)
            self.check()
            if node.at_once:
                done = await asyncio.gather(*map(self._begin, node.inside), return_exceptions=True)
                errors = [one for one in done if isinstance(one, BaseException)]
            else:
                errors = []
                for one in node.inside:
                    try:
                        await self._begin(one)
                    except (Exception, asyncio.CancelledError) as error:
                        errors.append(error)
            if errors and not node.handles:
                raise errors[0]
            await self._end(node)

        return body

    def _begin(self, node: Node) -> Awaitable[None]:
        run = self.run(node)
        if node.place == "same":
            return run
        if node.place == "task":
            return asyncio.ensure_future(run)
        return Context().run(asyncio.ensure_future, run)

    async def _end(self, node: Node) -> None:
        if node.end == "fails":
            raise UpstreamError
        if node.end == "is cancelled":
            raise asyncio.CancelledError
        if node.end == "is rejected elsewhere":
            raise CircuitOpenError("elsewhere", 1.0)
        if node.end == "times out":
            self.clock.advance(self.circuit.config.probe_timeout)

    async def _in_call(self, body: Callable[[], Awaitable[None]]) -> None:
        await self.circuit.call(body)

    async def _in_guard(self, body: Callable[[], Awaitable[None]]) -> None:
        async with self.circuit.guard():
            await body()

    async def _in_route(self, body: Callable[[], Awaitable[None]]) -> None:
        record = RouteRequest(self.breaker, current_request())
        token = enter_request(record.shared)
        try:
            try:
                record.enter(self.circuit)
            except CircuitOpenError as error:
                raise RouteRejectedError(*error.args, state=error.state) from None
            await body()
            record.begin(200)
            record.end()
        except BaseException as error:
            record.end_with(error)
            raise
        finally:
            record.shared.is_over = True
            leave_request(token)

    async def burst(self, node: Node, at_once: int) -> None:
        done = await asyncio.gather(
            *(Context().run(asyncio.ensure_future, self.run(node)) for _ in range(at_once)),
            return_exceptions=True,
        )
        for error in done:
            if isinstance(error, AssertionError):
                raise error

    def let_probe(self) -> None:
        trip(self.circuit)
        self.clock.advance(self.circuit.config.recovery_timeout)


configs = st.builds(
    lambda successes, places: CircuitConfig(
        failure_threshold=3,
        success_threshold=successes,
        half_open_max_calls=places,
        recovery_timeout=10.0,
        half_open_timeout=5.0,
    ),
    st.integers(1, 3),
    st.integers(1, 3),
)


def _plain(shape: str, place: str, *inside: Node) -> Node:
    return Node(shape, place, at_once=False, handles=False, end="well", inside=inside)


@few_or_many(60, 300)
def test_with_a_healthy_upstream_any_program_closes_the_circuit(histories: int) -> None:
    @settings(max_examples=histories)
    @given(configs, programs(SHAPES, ("well",), handles=False), st.integers(1, 4))
    @example(
        CircuitConfig(success_threshold=1), _plain("route", "same", _plain("route", "apart")), 1
    )
    def is_so(config: CircuitConfig, program: Node, at_once: int) -> None:
        asyncio.run(main(config, program, at_once))

    async def main(config: CircuitConfig, program: Node, at_once: int) -> None:
        world = World(config)
        world.let_probe()
        for _ in range(300):
            await world.burst(program, at_once)
            assert world.circuit.state is not CircuitState.OPEN, "called dead"
            if world.circuit.state is CircuitState.CLOSED:
                return
        raise AssertionError("half-open for ever")

    is_so()


@few_or_many(60, 300)
def test_whatever_ran_the_circuit_lets_good_calls_back(histories: int) -> None:
    @settings(max_examples=histories)
    @given(
        configs,
        st.lists(programs(SHAPES, ENDS, handles=True), min_size=1, max_size=4),
        st.integers(1, 3),
    )
    def is_so(config: CircuitConfig, ran: list[Node], at_once: int) -> None:
        asyncio.run(main(config, ran, at_once))

    async def main(config: CircuitConfig, ran: list[Node], at_once: int) -> None:
        world = World(config)
        world.let_probe()
        for one in ran:
            await world.burst(one, at_once)
            world.check()
        world.clock.advance(config.recovery_timeout)
        assert not [
            one for one in inside.of(world.circuit).probes or () if one.has_place(world.clock())
        ]
        for _ in range(config.success_threshold):
            await Context().run(asyncio.ensure_future, world.circuit.call(asyncio.sleep, 0))
        assert world.circuit.state is CircuitState.CLOSED

    is_so()


@settings(max_examples=100)
@given(programs(("call", "guard"), ("well", "fails"), handles=False))
def test_an_error_on_its_way_out_counts_once_in_one_task(program: Node) -> None:
    config = CircuitConfig(failure_threshold=1_000_000)
    counted = 0

    def same(node: Node) -> Node:
        inside = tuple(map(same, node.inside))
        return Node(node.shape, "same", at_once=False, handles=False, end=node.end, inside=inside)

    async def main() -> None:
        world = World(config)
        with contextlib.suppress(UpstreamError):
            await world.run(same(program))
        nonlocal counted
        counted = inside.of(world.circuit).sequence

    asyncio.run(main())
    assert counted == _leaf_failures(same(program))[0]


def _leaf_failures(node: Node) -> tuple[int, bool]:
    """Return how many errors are raised anew, and whether one leaves the node."""
    counts = [_leaf_failures(one) for one in node.inside]
    total = sum(count for count, _ in counts)
    if any(leaves for _, leaves in counts):
        return total, True
    return total + (node.end == "fails"), node.end == "fails"
