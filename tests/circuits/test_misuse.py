"""Calls guarded in a way that cannot work: a clear TypeError and no verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .parts import ONE_PROBE, OPEN_TIME, assert_untouched, fine, fine_sync, let_probe

while_closed_and_probing = pytest.mark.parametrize("is_probe", [False, True])


@pytest.fixture
def circuit(breaker: HybridBreaker, clock: ManualClock, is_probe: bool) -> Circuit:
    circuit = breaker.circuit("one", ONE_PROBE)
    if is_probe:
        let_probe(circuit, clock)
    return circuit


class NotToBeAwaited:
    __await__ = None


def explained(caught: pytest.ExceptionInfo[TypeError]) -> str:
    """Return all that the error says: its text, and the notes that Python prints below it."""
    return "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


@while_closed_and_probing
@pytest.mark.parametrize(
    "fn", [fine_sync, lambda: None, lambda: "text", dict, NotToBeAwaited], ids=range(5)
)
@pytest.mark.parametrize("shape", ["call", "decorator"])
async def test_call_of_a_sync_callable(
    circuit: Circuit, is_probe: bool, shape: str, fn: Any
) -> None:
    call = circuit.call if shape == "call" else _decorated_as_async(circuit)
    with pytest.raises(TypeError) as caught:
        await call(fn)
    assert "call(fn, *args) takes an async callable" in explained(caught)
    assert "call_sync(fn, *args) a sync one" in explained(caught)
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


def _decorated_as_sync(circuit: Circuit) -> Any:
    def call(fn: Any) -> Any:
        def fetch() -> Any:
            return fn()

        return circuit(fetch)()

    return call


class Call(Awaitable[int]):
    """What the stub of a remote procedure returns: something to await that is no coroutine."""

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return 5


@while_closed_and_probing
@pytest.mark.parametrize(
    "fn", [fine, Call, lambda: asyncio.ensure_future(fine())], ids=["coroutine", "call", "future"]
)
@pytest.mark.parametrize("shape", ["call_sync", "decorator"])
async def test_a_sync_call_of_what_has_to_be_awaited(
    circuit: Circuit, is_probe: bool, shape: str, fn: Any
) -> None:
    """Taken for a success, each would end the run of failures before anything was sent."""
    call = circuit.call_sync if shape == "call_sync" else _decorated_as_sync(circuit)
    with pytest.raises(TypeError, match=r"which is async: await call\(\) or execute\(\)"):
        call(fn)
    assert_untouched(circuit, is_probe)


@while_closed_and_probing
@pytest.mark.parametrize("fn", [Call, lambda: asyncio.ensure_future(fine(5))], ids=range(2))
async def test_execute_awaits_whatever_can_be_awaited(
    circuit: Circuit, is_probe: bool, fn: Any
) -> None:
    assert await circuit.execute(fn) == 5
    assert circuit.state == "CLOSED"
    assert circuit.stats().successes == 0 * is_probe


@while_closed_and_probing
@pytest.mark.parametrize("shape", ["call", "execute", "call_sync"])
async def test_a_coroutine_in_place_of_its_function(
    circuit: Circuit, is_probe: bool, shape: str
) -> None:
    """``call(fetch())`` for ``call(fetch)``: neither counted nor warned of as never awaited."""
    with pytest.raises(TypeError) as caught:
        await getattr(circuit, shape)(fine())
    assert "call(fn" in explained(caught)
    assert_untouched(circuit, is_probe, is_asked=False)


@while_closed_and_probing
@pytest.mark.parametrize("thing", [None, "fine", 42, [fine]], ids=range(4))
@pytest.mark.parametrize("shape", ["call", "execute", "call_sync"])
async def test_a_thing_that_cannot_be_called(
    circuit: Circuit, is_probe: bool, shape: str, thing: object
) -> None:
    with pytest.raises(TypeError, match="callable"):
        await getattr(circuit, shape)(thing)
    assert_untouched(circuit, is_probe, is_asked=False)


@while_closed_and_probing
@pytest.mark.parametrize("shape", ["call", "execute", "call_sync"])
async def test_wrong_arguments_are_not_counted(
    circuit: Circuit, is_probe: bool, shape: str
) -> None:
    fn = fine_sync if shape == "call_sync" else fine
    with pytest.raises(TypeError, match="unexpected keyword") as caught:
        await getattr(circuit, shape)(fn, no_such_argument=1)
    assert "not counted" in explained(caught)
    assert_untouched(circuit, is_probe)


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


async def _awaits_nothing() -> None:
    await None  # type: ignore[misc]


def _raises_the_same_words() -> None:
    raise TypeError("object int can't be used in 'await' expression")


def _fails_elsewhere() -> asyncio.Future[None]:
    """Return what a pool of processes returns: its errors have left their traceback behind."""
    error = TypeError("object NoneType can't be used in 'await' expression")
    error.__cause__ = RuntimeError("the traceback of the other process, as text")
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(error)
    return failed


class _FailsWhenAwaited:
    def __await__(self) -> Any:
        raise TypeError("of the one that is awaited")


@while_closed_and_probing
@pytest.mark.parametrize(
    "fn",
    [
        _awaits_nothing,
        _raises_the_same_words,
        _fails_elsewhere,
        _FailsWhenAwaited,
    ],
    ids=range(4),
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
    assert raised.count(TypeError) >= 1
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
async def test_a_sync_callable_is_rejected_as_any_other_while_the_circuit_rejects(
    circuit: Circuit, is_probe: bool
) -> None:
    probe = inside.admit(circuit)
    with pytest.raises(CircuitOpenError):
        await circuit.call(fine_sync)  # type: ignore[arg-type]
    assert probe is not None


@pytest.mark.parametrize("is_probe", [False])
@pytest.mark.parametrize("shape", ["call", "execute", "call_sync"])
async def test_a_coroutine_in_place_of_its_function_is_no_rejection_while_open(
    circuit: Circuit, shape: str
) -> None:
    """The misuse would show only once the circuit has closed, and the coroutine would leak."""
    inside.open_here(circuit, 60.0)
    with pytest.raises(TypeError, match=r"needs the callable, not what it returned"):
        await getattr(circuit, shape)(fine())
    assert circuit.rejected == 0


@pytest.mark.parametrize("is_probe", [False])
async def test_only_misuse_is_explained_and_only_once(circuit: Circuit) -> None:
    """Errors of the called function were said not to be counted; guards around said so again."""
    with pytest.raises(TypeError) as misuse, circuit.guard():
        await circuit.call(fine_sync)  # type: ignore[arg-type]
    said = explained(misuse)
    assert (said.count("not counted"), "fine_sync could not be called" in said) == (1, True)

    def wrong() -> None:
        raise TypeError("of its own")

    with pytest.raises(TypeError) as own:
        circuit.call_sync(wrong)
    assert explained(own) == "of its own"


@pytest.mark.parametrize("is_probe", [False])
def test_what_is_no_function_is_not_decorated_and_leaves_no_warning(circuit: Circuit) -> None:
    unawaited = fine()
    with pytest.raises(TypeError, match="a circuit decorates functions, not <coroutine"):
        circuit(unawaited)  # type: ignore[type-var]
    with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
        unawaited.send(None)


@pytest.mark.parametrize("is_probe", [False])
def test_a_function_that_is_said_to_wrap_itself_is_guarded(circuit: Circuit) -> None:
    def fn() -> int:
        return 1

    fn.__wrapped__ = fn  # type: ignore[attr-defined]
    assert circuit(fn)() == 1
