"""Which exceptions stand for a rejection, and which are failures although one came before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

import pytest

from fastapi_hybrid_breaker import CircuitOpenError
from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.outcomes import Classifier
from fastapi_hybrid_breaker.core.states import FAILURE, NOT_COUNTED
from fastapi_hybrid_breaker.core.translated import rejection_by, rejection_in

from .translations import FAILURES, TRANSLATIONS, ServiceError


async def outcome_of(act: Callable[[], Awaitable[None]]) -> object:
    try:
        await act()
    except Exception as error:
        return Classifier(CircuitConfig()).judge(error)
    raise AssertionError


@pytest.mark.parametrize("act", TRANSLATIONS, ids=lambda act: act.__name__)
async def test_a_rejection_or_its_translation_is_not_counted(
    act: Callable[[], Awaitable[None]],
) -> None:
    assert await outcome_of(act) is NOT_COUNTED


@pytest.mark.parametrize("act", FAILURES, ids=lambda act: act.__name__)
async def test_an_error_after_a_handled_rejection_is_a_failure(
    act: Callable[[], Awaitable[None]],
) -> None:
    assert await outcome_of(act) is FAILURE


async def test_one_rejection_that_many_wait_for_is_translated_by_each() -> None:
    shared = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        try:
            await shared
        except CircuitOpenError:
            raise ServiceError from None

    waiters = [asyncio.create_task(outcome_of(wait)) for _ in range(50)]
    await asyncio.sleep(0)
    shared.set_exception(CircuitOpenError("other", 1.0))
    assert await asyncio.gather(*waiters) == [NOT_COUNTED] * 50


def test_a_chain_that_is_a_circle_has_an_end() -> None:
    one, other = ServiceError(), ServiceError()
    one.__cause__, other.__cause__ = other, one
    assert rejection_in(one) is None
    assert rejection_by("other", one) is None


def test_a_rejection_is_found_by_its_key_wherever_it_is() -> None:
    rejection = CircuitOpenError("mine", 1.0)
    found = ServiceError()
    found.__context__ = ExceptionGroup("x", [CircuitOpenError("other", 1.0), rejection])
    assert rejection_by("mine", found) is rejection
    assert rejection_by("nobody's", found) is None


def test_the_one_rejection_among_many_calls_of_a_group_is_found() -> None:
    rejection = CircuitOpenError("mine", 1.0)
    error = ExceptionGroup("calls", [rejection, *(ServiceError() for _ in range(200))])
    assert rejection_by("mine", error) is rejection


def test_groups_that_lead_to_each_other_have_an_end() -> None:
    inner = ServiceError()
    group = ExceptionGroup("outer", [inner, inner])
    inner.__cause__ = group
    assert rejection_in(group) is None
    assert rejection_by("other", group) is None


def test_an_error_of_a_future_that_nobody_raised_is_one_of_its_own() -> None:
    """It has no traceback yet."""
    future: Future[None] = Future()
    future.set_exception(ServiceError())
    error = future.exception()
    assert error is not None
    error.__context__ = CircuitOpenError("other", 1.0)
    assert rejection_in(error) is None
