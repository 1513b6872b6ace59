"""Calls guarded in a way that cannot work: a clear TypeError and no verdict."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace
from typing import Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.core.errors import MisuseError
from fastapi_hybrid_breaker.testing import ManualClock

from .parts import ONE_PROBE, OPEN_TIME, fine, fine_sync, let_probe

while_closed_and_probing = pytest.mark.parametrize("is_probe", [False, True])


@pytest.fixture
def circuit(breaker: HybridBreaker, clock: ManualClock, is_probe: bool) -> Circuit:
    circuit = breaker.circuit("one", ONE_PROBE)
    if is_probe:
        let_probe(circuit, clock)
    return circuit


def assert_untouched(circuit: Circuit, is_probe: bool) -> None:
    """Nothing was counted, and a probe's place came back."""
    assert (circuit.state, circuit.stats().successes) == ("HALF_OPEN" if is_probe else "CLOSED", 0)
    assert circuit.stats().failures == int(is_probe)
    circuit.call_sync(fine_sync)
    assert circuit.state == "CLOSED"


class NotToBeAwaited:
    __await__ = None


@while_closed_and_probing
@pytest.mark.parametrize(
    "fn", [fine_sync, lambda: None, lambda: "text", dict, NotToBeAwaited], ids=range(5)
)
async def test_call_of_a_sync_callable(circuit: Circuit, is_probe: bool, fn: Any) -> None:
    wanted = r"call\(\) needs an async callable, .* is none: use call_sync\(\)"
    for call in (circuit.call, _decorated_as_async(circuit)):
        with pytest.raises(TypeError, match=wanted) as caught:
            await call(fn)
        assert caught.value.__suppress_context__
    assert_untouched(circuit, is_probe)


def _decorated_as_async(circuit: Circuit) -> Any:
    async def call(fn: Any) -> Any:
        # An object can say that it is asynchronous and be wrong.
        class Wrong:
            async def __call__(self) -> None: ...

        wrong = Wrong()
        guarded = circuit(wrong)
        Wrong.__call__ = staticmethod(fn)  # type: ignore[method-assign]
        return await guarded()

    return call


@while_closed_and_probing
async def test_call_sync_of_an_async_callable(circuit: Circuit, is_probe: bool) -> None:
    wanted = r"call_sync\(\) cannot guard fine, which is async: await call\(\)"
    with pytest.raises(TypeError, match=wanted):
        _ = circuit.call_sync(fine)
    assert_untouched(circuit, is_probe)


@while_closed_and_probing
@pytest.mark.parametrize("shape", ["call", "execute", "call_sync"])
async def test_a_coroutine_in_place_of_its_function(
    circuit: Circuit, is_probe: bool, shape: str
) -> None:
    """``call(fetch())`` for ``call(fetch)``: neither counted nor warned of as never awaited."""
    with pytest.raises(TypeError, match=r"needs the callable, not what it gave: call\(fn\)"):
        await getattr(circuit, shape)(fine())
    assert_untouched(circuit, is_probe)


@while_closed_and_probing
@pytest.mark.parametrize("thing", [None, "fine", 42, [fine]], ids=range(4))
@pytest.mark.parametrize("shape", ["call", "execute", "call_sync"])
async def test_a_thing_that_cannot_be_called(
    circuit: Circuit, is_probe: bool, shape: str, thing: object
) -> None:
    with pytest.raises(TypeError, match="needs the callable"):
        await getattr(circuit, shape)(thing)
    assert_untouched(circuit, is_probe)


@while_closed_and_probing
@pytest.mark.parametrize("shape", ["call", "execute", "call_sync"])
async def test_wrong_arguments_are_a_failure_like_any_error_of_the_callable(
    circuit: Circuit, is_probe: bool, shape: str
) -> None:
    fn = fine_sync if shape == "call_sync" else fine
    with pytest.raises(TypeError, match="unexpected keyword"):
        await getattr(circuit, shape)(fn, no_such_argument=1)
    assert circuit.state == "OPEN"


@while_closed_and_probing
@pytest.mark.parametrize("shape", ["call", "execute"])
async def test_a_type_error_raised_inside_is_a_failure(
    circuit: Circuit, is_probe: bool, shape: str
) -> None:
    async def wrong() -> None:
        await asyncio.sleep(0)
        len(5)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="has no len"):
        await getattr(circuit, shape)(wrong)
    assert circuit.state == "OPEN"


class _Unspeakable:
    def __str__(self) -> str:
        raise ValueError


async def _awaits_nothing() -> None:
    await None  # type: ignore[misc]


def _raises_the_same_words() -> None:
    raise TypeError("object int can't be used in 'await' expression")


def _fails_elsewhere() -> asyncio.Future[None]:
    """Give what a pool of processes gives: its errors have left their traceback behind."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(TypeError("object NoneType can't be used in 'await' expression"))
    return failed


class _FailsWhenAwaited:
    def __await__(self) -> Any:
        raise TypeError("of the one that is awaited")


async def _hides_where() -> None:
    try:
        await None  # type: ignore[misc]
    except TypeError as error:
        error.__traceback__ = None
        raise


@while_closed_and_probing
@pytest.mark.parametrize(
    "fn",
    [
        _awaits_nothing,
        _raises_the_same_words,
        _fails_elsewhere,
        _hides_where,
        _FailsWhenAwaited,
        functools.partial(len, 5),
    ],
    ids=range(6),
)
@pytest.mark.parametrize("shape", ["call", "decorator"])
async def test_what_looks_like_misuse_and_is_raised_inside_is_a_failure(
    circuit: Circuit, is_probe: bool, shape: str, fn: Any
) -> None:
    call = circuit.call if shape == "call" else _decorated_as_async(circuit)
    with pytest.raises(TypeError) as caught:
        await call(fn)
    assert type(caught.value) is TypeError
    assert circuit.state == "OPEN"


@pytest.mark.parametrize("is_probe", [False])
async def test_an_error_without_a_text_is_no_misuse(circuit: Circuit, is_probe: bool) -> None:
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(TypeError(_Unspeakable()))
    with pytest.raises(TypeError) as caught:
        await circuit.call(failed.result)  # type: ignore[arg-type] # raises, and leaves no frame
    assert type(caught.value) is TypeError
    assert circuit.state == "OPEN"


@pytest.mark.parametrize(
    ("shape", "wrong"), [("call", fine_sync), ("call_sync", fine), ("execute", 42)]
)
async def test_misuse_while_only_a_share_of_the_calls_is_admitted(
    breaker: HybridBreaker, clock: ManualClock, shape: str, wrong: Any
) -> None:
    circuit = breaker.circuit("ramping", replace(ONE_PROBE, ramp_seconds=OPEN_TIME))
    let_probe(circuit, clock)
    circuit.call_sync(fine_sync)
    raised: list[type[Exception]] = []
    for _ in range(10):
        try:
            await getattr(circuit, shape)(wrong)
        except (CircuitOpenError, TypeError) as error:
            raised.append(type(error))
    assert raised.count(MisuseError) == 1  # a tenth is admitted
    assert (circuit.state, circuit.stats().failures) == ("CLOSED", 0)


@while_closed_and_probing
async def test_misuse_inside_another_circuits_call_says_nothing_of_that_either(
    breaker: HybridBreaker, circuit: Circuit, is_probe: bool
) -> None:
    outer = breaker.circuit("outer", ONE_PROBE)

    async def inner() -> None:
        await circuit.call(fine_sync)  # type: ignore[arg-type]

    with pytest.raises(TypeError):
        await outer.call(inner)
    assert outer.stats().failures == 0
    assert_untouched(circuit, is_probe)


@pytest.mark.parametrize("is_probe", [True])
async def test_misuse_while_the_circuit_rejects_is_a_rejection(
    circuit: Circuit, is_probe: bool
) -> None:
    probe = circuit.admit()
    with pytest.raises(CircuitOpenError):
        await circuit.call(fine_sync)  # type: ignore[arg-type]
    assert probe is not None
