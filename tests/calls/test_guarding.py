"""The ways to run a call under a circuit, and what each makes of its end."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CircuitOpenError,
    CircuitState,
    HybridBreaker,
    StateChange,
    WrongContextError,
)
from tests.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = CircuitConfig(failure_threshold=2, success_threshold=2, recovery_timeout=10.0)


class Broken(Exception):
    """What a dependency raises."""


async def fine(value: int = 1) -> int:
    return value


async def broken() -> None:
    raise Broken


def fine_sync(value: int = 1) -> int:
    return value


def broken_sync() -> None:
    raise Broken


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> HybridBreaker:
    return HybridBreaker(redis=None, defaults=CONFIG, clock=clock)


@pytest.fixture
def circuit(breaker: HybridBreaker) -> Circuit:
    return breaker.circuit("inventory-api")


def decorated(circuit: Circuit, fn: Callable[..., Any]) -> Callable[..., Any]:
    return circuit(fn)


async def in_guard(circuit: Circuit, fn: Callable[..., Any]) -> Any:
    async with circuit.guard():
        return await fn()


async def in_short(circuit: Circuit, fn: Callable[..., Any]) -> Any:
    async with circuit:
        return await fn()


SHAPES: dict[str, Callable[[Circuit, Callable[..., Any]], Any]] = {
    "call": lambda circuit, fn: circuit.call(fn),
    "execute": lambda circuit, fn: circuit.execute(fn),
    "decorator": lambda circuit, fn: circuit(fn)(),
    "guard": in_guard,
    "short": in_short,
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_each_async_shape_trips_rejects_probes_and_closes(
    circuit: Circuit, clock: ManualClock, shape: Callable[..., Any]
) -> None:
    assert await shape(circuit, fine) == 1
    for _ in range(2):
        with pytest.raises(Broken):
            await shape(circuit, broken)
    assert circuit.state == "OPEN"
    with pytest.raises(CircuitOpenError) as caught:
        await shape(circuit, fine)
    assert caught.value.retry_after == 10.0
    assert str(caught.value).startswith("Circuit breaker is OPEN for inventory-api")
    assert circuit.stats().rejected == 1
    clock.advance(10)
    assert circuit.state == "OPEN"
    assert circuit.stats().retry_after == 0.0
    assert await shape(circuit, fine) == 1
    assert circuit.state == "HALF_OPEN"
    assert await shape(circuit, fine) == 1
    assert circuit.state == "CLOSED"
    assert circuit.stats().failures == 0


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_each_async_shape_opens_again_on_a_failing_probe(
    circuit: Circuit, clock: ManualClock, shape: Callable[..., Any]
) -> None:
    for _ in range(2):
        with pytest.raises(Broken):
            await shape(circuit, broken)
    clock.advance(10)
    with pytest.raises(Broken):
        await shape(circuit, broken)
    assert circuit.state == "OPEN"
    assert circuit.stats().retry_after == 10.0


def in_sync_guard(circuit: Circuit, fn: Callable[..., Any]) -> Any:
    with circuit.guard():
        return fn()


def in_sync_short(circuit: Circuit, fn: Callable[..., Any]) -> Any:
    with circuit:
        return fn()


SYNC_SHAPES: dict[str, Callable[[Circuit, Callable[..., Any]], Any]] = {
    "call_sync": lambda circuit, fn: circuit.call_sync(fn),
    "decorator": lambda circuit, fn: circuit(fn)(),
    "guard": in_sync_guard,
    "short": in_sync_short,
}


@pytest.mark.parametrize("shape", SYNC_SHAPES.values(), ids=SYNC_SHAPES)
def test_each_sync_shape_trips_rejects_probes_and_closes(
    circuit: Circuit, clock: ManualClock, shape: Callable[..., Any]
) -> None:
    assert shape(circuit, fine_sync) == 1
    for _ in range(2):
        with pytest.raises(Broken):
            shape(circuit, broken_sync)
    with pytest.raises(CircuitOpenError):
        shape(circuit, fine_sync)
    clock.advance(10)
    for _ in range(2):
        assert shape(circuit, fine_sync) == 1
    assert circuit.state == "CLOSED"


async def test_execute_runs_a_sync_callable_in_place(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    assert await breaker.execute("a", fine_sync, 7) == 7
    for _ in range(2):
        with pytest.raises(Broken):
            await breaker.execute("a", broken_sync)
    assert breaker.state("a") == "OPEN"
    clock.advance(10)
    assert await breaker.execute("a", fine_sync, 8) == 8
    assert breaker.state("a") == "HALF_OPEN"


async def test_call_of_a_sync_callable_is_misuse_without_a_verdict(
    circuit: Circuit, clock: ManualClock
) -> None:
    for _ in range(5):
        with pytest.raises(TypeError, match=r"call\(\) needs an async callable.*call_sync"):
            await circuit.call(fine_sync)  # type: ignore[arg-type]
    assert circuit.stats().failures == 0
    for _ in range(2):
        with pytest.raises(Broken):
            await circuit.call(broken)
    clock.advance(10)
    for _ in range(5):
        with pytest.raises(TypeError, match="call_sync"):
            await circuit.call(fine_sync)  # type: ignore[arg-type]
    assert circuit.state == "HALF_OPEN"  # each gave its place back


def test_call_sync_of_an_async_callable_is_misuse_without_a_verdict(circuit: Circuit) -> None:
    for _ in range(5):
        with pytest.raises(TypeError, match=r"call_sync\(\) cannot guard.*await call"):
            circuit.call_sync(fine)
    assert circuit.stats().failures == 0


async def test_type_error_of_the_dependency_is_a_failure(circuit: Circuit) -> None:
    async def wrong() -> None:
        raise TypeError

    for _ in range(2):
        with pytest.raises(TypeError):
            await circuit.call(wrong)
    assert circuit.state == "OPEN"


def test_decorator_keeps_name_signature_and_nature(circuit: Circuit) -> None:
    guarded = circuit(fine)
    assert inspect.iscoroutinefunction(guarded)
    assert inspect.signature(guarded) == inspect.signature(fine)
    assert guarded.__name__ == "fine"
    assert not inspect.iscoroutinefunction(circuit(fine_sync))


async def test_decorator_sees_through_partials_methods_and_objects(circuit: Circuit) -> None:
    class Client:
        @decorated_by(circuit)
        async def get(self, value: int) -> int:
            return value + 1

    class Callable_:
        async def __call__(self) -> str:
            return "called"

    partial = decorated(circuit, functools.partial(fine, 5))
    assert inspect.iscoroutinefunction(partial)
    assert await partial() == 5
    assert await Client().get(1) == 2
    called = decorated(circuit, Callable_())
    assert inspect.iscoroutinefunction(called)
    assert await called() == "called"


def decorated_by(circuit: Circuit) -> Callable[..., Any]:
    return lambda fn: decorated(circuit, fn)


def test_decorator_refuses_generator_functions_and_what_cannot_be_called(
    circuit: Circuit,
) -> None:
    def generator() -> Any:
        yield 1

    async def async_generator() -> Any:
        yield 1

    for fn in (generator, async_generator, functools.partial(generator)):
        with pytest.raises(TypeError, match="generator function"):
            decorated(circuit, fn)
    with pytest.raises(TypeError, match="decorates functions"):
        decorated(circuit, 42)  # type: ignore[arg-type]


async def test_guard_entered_in_one_task_and_left_in_another_counts(
    circuit: Circuit, clock: ManualClock
) -> None:
    for _ in range(2):
        with pytest.raises(Broken):
            await circuit.call(broken)
    clock.advance(10)
    for _ in range(2):
        guard = circuit.guard()
        await asyncio.create_task(_enter(guard))
        await asyncio.create_task(_leave(guard))
    assert circuit.state == "CLOSED"


async def _enter(guard: Any) -> None:
    guard.__enter__()


async def _leave(guard: Any) -> None:
    guard.__exit__(None, None, None)


def test_guard_entered_twice_or_left_unentered_is_an_error(circuit: Circuit) -> None:
    guard = circuit.guard()
    with pytest.raises(RuntimeError, match="not entered"):
        guard.__exit__(None, None, None)
    with guard, pytest.raises(RuntimeError, match="entered already"):
        guard.__enter__()
    with guard:  # a fresh permit
        pass


async def test_short_form_left_in_another_task_is_an_error_without_a_verdict(
    circuit: Circuit,
) -> None:
    circuit.__enter__()

    async def leave() -> None:
        with pytest.raises(WrongContextError, match=r"with circuit.guard\(\)"):
            circuit.__exit__(Broken, Broken(), None)

    await asyncio.create_task(leave())
    assert circuit.stats().failures == 0
    circuit.__exit__(None, None, None)


def test_short_form_left_in_another_thread_is_an_error(circuit: Circuit) -> None:
    found: list[BaseException] = []

    def leave() -> None:
        try:
            circuit.__exit__(None, None, None)
        except WrongContextError as error:
            found.append(error)

    with circuit:
        thread = threading.Thread(target=leave)
        thread.start()
        thread.join()
    assert len(found) == 1


async def test_100_concurrent_calls_at_the_end_of_the_open_time(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    circuit = breaker.circuit(
        "b", CircuitConfig(failure_threshold=1, recovery_timeout=10, half_open_max_calls=3)
    )
    with pytest.raises(Broken):
        await circuit.call(broken)
    clock.advance(10)
    going, ran = asyncio.Event(), 0

    async def probe() -> None:
        nonlocal ran
        ran += 1
        await going.wait()

    calls = [asyncio.create_task(circuit.call(probe)) for _ in range(100)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    going.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    rejected = [one for one in results if isinstance(one, CircuitOpenError)]
    assert ran == 3
    assert len(rejected) == 97
    assert all(one.retry_after >= 1 for one in rejected)
    assert circuit.state == "CLOSED"


async def test_cancelled_only_probe_under_steady_traffic_does_not_wedge(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    config = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=10)
    circuit = breaker.circuit("c", config)
    with pytest.raises(Broken):
        await circuit.call(broken)
    clock.advance(10)
    probe = asyncio.create_task(circuit.call(asyncio.Event().wait))
    await asyncio.sleep(0)
    for _ in range(20):  # the refused ones must not renew anything
        with pytest.raises(CircuitOpenError):
            await circuit.call(fine)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert circuit.state == "HALF_OPEN"
    await circuit.call(fine)
    assert circuit.state == "CLOSED"


async def test_probe_that_never_returns_gives_its_place_back_at_its_deadline(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    config = CircuitConfig(
        failure_threshold=1, success_threshold=1, recovery_timeout=10, half_open_timeout=4
    )
    circuit = breaker.circuit("d", config)
    with pytest.raises(Broken):
        await circuit.call(broken)
    clock.advance(10)
    stuck = asyncio.create_task(circuit.call(asyncio.Event().wait))
    await asyncio.sleep(0)
    clock.advance(3.9)
    with pytest.raises(CircuitOpenError):
        await circuit.call(fine)
    clock.advance(0.1)
    await circuit.call(fine)
    assert circuit.state == "CLOSED"
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck


@pytest.mark.parametrize("late", ["success", "failure"])
async def test_late_result_moves_nothing(circuit: Circuit, clock: ManualClock, late: str) -> None:
    going = asyncio.Event()

    async def slow() -> None:
        await going.wait()
        if late == "failure":
            raise Broken

    call = asyncio.create_task(circuit.call(slow))
    await asyncio.sleep(0)
    for _ in range(2):
        with pytest.raises(Broken):
            await circuit.call(broken)
    clock.advance(5)
    going.set()
    await asyncio.gather(call, return_exceptions=True)
    assert circuit.state == "OPEN"
    assert circuit.stats().retry_after == 5.0
    assert circuit.stats().failures == 2


async def test_nested_call_in_a_probe_shares_its_permit_and_its_verdict(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    config = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=10)
    circuit = breaker.circuit("e", config)
    with pytest.raises(Broken):
        await circuit.call(broken)
    clock.advance(10)

    async def outer() -> int:
        return await circuit.call(fine, 3)

    assert await circuit.call(outer) == 3
    assert circuit.state == "CLOSED"


async def test_error_that_travels_through_two_guards_counts_once(circuit: Circuit) -> None:
    async def outer() -> None:
        await circuit.call(broken)

    with pytest.raises(Broken):
        await circuit.call(outer)
    assert circuit.stats().failures == 1


async def test_cancellation_and_rejection_give_no_verdict(
    breaker: HybridBreaker, circuit: Circuit
) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def rejected() -> None:
        raise CircuitOpenError("other", 1.0)

    async def grouped() -> None:
        raise ExceptionGroup("all of no verdict", [CircuitOpenError("other", 1.0)])

    for fn in (cancelled, rejected, grouped) * 3:
        with pytest.raises((asyncio.CancelledError, CircuitOpenError, ExceptionGroup)):
            await circuit.call(fn)
    assert circuit.stats().failures == 0


def test_rejection_can_be_pickled() -> None:
    same = pickle.loads(pickle.dumps(CircuitOpenError("a", 2.5)))  # noqa: S301 - our own
    assert (same.key, same.retry_after, str(same)) == ("a", 2.5, str(CircuitOpenError("a", 2.5)))


async def test_threads_racing_at_the_trip_bring_about_one_change(
    breaker: HybridBreaker,
) -> None:
    circuit = breaker.circuit("f", CircuitConfig(failure_threshold=50, recovery_timeout=10))
    changes: list[StateChange] = []
    breaker.on_change(changes.append)
    ready = threading.Barrier(8)

    def hammer() -> None:
        ready.wait()
        for _ in range(50):
            try:
                circuit.call_sync(broken_sync)
            except (Broken, CircuitOpenError):
                continue

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(one.old, one.new, one.cause) for one in changes] == [("CLOSED", "OPEN", "failures")]
    assert circuit.stats().failures == 50


async def test_listener_hears_each_change_with_its_cause_until_undone(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[str, str, str]] = []

    def raising(change: StateChange) -> None:
        raise Broken(change.key)

    def calls_back(change: StateChange) -> None:
        breaker.stats(change.key)  # would wait for ever if a lock were held
        heard.append((change.old, change.new, change.cause))

    breaker.on_change(raising)
    undo = breaker.on_change(calls_back)
    for _ in range(2):
        with pytest.raises(Broken):
            await circuit.call(broken)
    clock.advance(10)
    with pytest.raises(Broken):
        await circuit.call(broken)
    clock.advance(10)
    for _ in range(2):
        await circuit.call(fine)
    for _ in range(2):
        with pytest.raises(Broken):
            await circuit.call(broken)
    assert await circuit.reset() == "local"
    undo()
    undo()
    assert await breaker.reset("unknown") == "local"
    assert [cause for *_, cause in heard] == [
        *("failures", "timeout", "probe_failed", "timeout", "probes_succeeded"),
        *("failures", "reset"),
    ]
    assert heard[-1][:2] == ("OPEN", "CLOSED")
    assert sum("a listener failed" in record.getMessage() for record in caplog.records) == 7


async def test_looking_makes_no_circuit_and_changes_nothing(breaker: HybridBreaker) -> None:
    assert breaker.state("never-used") is CircuitState.CLOSED
    assert breaker.stats("never-used").version == 0
    assert await breaker.look_up("never-used") is None
    assert list(breaker.circuits()) == []
    circuit = breaker.circuit("used")
    found = await breaker.look_up("used")
    assert found is not None
    assert found.stats == circuit.stats()
    assert "used" in repr(circuit)
    assert circuit.config is CONFIG


async def test_started_and_stopped_without_redis(breaker: HybridBreaker) -> None:
    async with breaker.lifespan(None):
        assert breaker.sync_status().state == "disabled"
        assert "disabled" in repr(breaker)
