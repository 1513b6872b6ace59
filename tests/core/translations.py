"""Ways to answer a rejection with another exception, and failures that only look so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from fastapi_hybrid_breaker import CircuitOpenError


class ServiceError(Exception):
    pass


class EmptyError(Exception):
    """An error that is false, as one with a length can be."""

    def __len__(self) -> int:
        return 0


async def rejected() -> None:
    raise CircuitOpenError("other", 3.0)


def fail() -> None:
    raise ServiceError


async def failed() -> None:
    fail()


def raise_from(error: Exception) -> None:
    raise ServiceError from error


async def fallback() -> None:
    await asyncio.sleep(0)
    fail()


async def itself() -> None:
    await rejected()


async def raised_from_it() -> None:
    try:
        await rejected()
    except CircuitOpenError as error:
        raise ServiceError from error


async def raised_from_it_further_down() -> None:
    try:
        await rejected()
    except CircuitOpenError as error:
        raise_from(error)


async def raised_in_its_place() -> None:
    try:
        await rejected()
    except CircuitOpenError:
        raise ServiceError  # noqa: B904 - what is looked at


async def raised_from_none() -> None:
    try:
        await rejected()
    except CircuitOpenError:
        raise ServiceError from None


async def translated_twice() -> None:
    try:
        await raised_in_its_place()
    except ServiceError:
        raise LookupError from None


async def translated_in_both_ways() -> None:
    try:
        await raised_from_none()
    except ServiceError as error:
        raise LookupError from error


async def translated_by_a_false_error() -> None:
    try:
        try:
            await rejected()
        except CircuitOpenError as error:
            raise EmptyError from error
    except EmptyError as error:
        raise_from(error)


async def translated_after_waiting() -> None:
    try:
        await rejected()
    except CircuitOpenError:
        await asyncio.sleep(0)
        raise ServiceError from None


async def translated_after_the_try() -> None:
    try:
        await rejected()
    except CircuitOpenError as error:
        kept = error
    raise ServiceError from kept


async def translated_by_a_context_manager() -> None:
    @contextlib.contextmanager
    def translating() -> Iterator[None]:
        try:
            yield
        except CircuitOpenError:
            raise ServiceError from None

    with translating():
        await rejected()


async def translated_by_an_async_context_manager() -> None:
    @contextlib.asynccontextmanager
    async def translating() -> AsyncIterator[None]:
        try:
            yield
        except CircuitOpenError:
            raise ServiceError from None

    async with translating():
        await rejected()


async def translated_in_another_task() -> None:
    await asyncio.create_task(raised_in_its_place())


async def a_group_of_them() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(rejected())
        group.create_task(raised_from_none())


async def a_group_raised_from_one() -> None:
    try:
        await rejected()
    except CircuitOpenError as error:
        raise ExceptionGroup("all of them", [ServiceError(), ServiceError()]) from error


async def many_of_them_in_a_group() -> None:
    raise ExceptionGroup("many", [CircuitOpenError("other", 3.0) for _ in range(200)])


async def raised_from_a_group_of_them() -> None:
    try:
        await a_group_of_them()
    except ExceptionGroup as group:
        raise ServiceError from group


async def raised_in_place_of_a_group_of_them() -> None:
    try:
        await a_group_of_them()
    except ExceptionGroup:
        raise ServiceError  # noqa: B904 - what is looked at


async def raised_from_what_was_picked_out_of_a_group() -> None:
    try:
        await a_group_of_them()
    except* (CircuitOpenError, ServiceError) as group:
        raise LookupError from group


async def raised_in_place_of_what_was_picked_out_of_a_group() -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(rejected())
    except* CircuitOpenError:
        raise ServiceError  # noqa: B904 - what is looked at


async def raised_from_a_group_of_very_many_of_them() -> None:
    try:
        await many_of_them_in_a_group()
    except ExceptionGroup as group:
        raise ServiceError from ExceptionGroup("nested", [group])


async def raised_while_it_travels() -> None:
    try:
        await rejected()
    finally:
        raise ServiceError


TRANSLATIONS = [
    itself,
    raised_from_it,
    raised_from_it_further_down,
    raised_in_its_place,
    raised_from_none,
    translated_twice,
    translated_in_both_ways,
    translated_by_a_false_error,
    translated_after_waiting,
    translated_after_the_try,
    translated_by_a_context_manager,
    translated_by_an_async_context_manager,
    translated_in_another_task,
    a_group_of_them,
    a_group_raised_from_one,
    many_of_them_in_a_group,
    raised_from_a_group_of_them,
    raised_in_place_of_a_group_of_them,
    raised_from_what_was_picked_out_of_a_group,
    raised_in_place_of_what_was_picked_out_of_a_group,
    raised_from_a_group_of_very_many_of_them,
    raised_while_it_travels,
]


async def a_fallback_fails() -> None:
    try:
        await rejected()
    except CircuitOpenError:
        await fallback()


async def a_fallback_fails_and_is_translated() -> None:
    try:
        await a_fallback_fails()
    except ServiceError as error:
        raise LookupError from error


async def a_fallback_in_another_task_fails() -> None:
    try:
        await rejected()
    except CircuitOpenError:
        await asyncio.create_task(fallback())


async def a_fallback_in_a_thread_fails() -> None:
    try:
        await rejected()
    except CircuitOpenError:
        await asyncio.to_thread(fail)


async def a_fallback_fails_from_another_cause() -> None:
    try:
        await rejected()
    except CircuitOpenError:
        raise ServiceError from OSError("the fallback's")


async def it_was_handled_before() -> None:
    with contextlib.suppress(CircuitOpenError):
        await rejected()
    fail()


async def it_was_handled_before_in_the_same_function() -> None:
    try:
        await rejected()
    except CircuitOpenError:
        pass
    raise ServiceError


async def cleaning_up_fails() -> None:
    try:
        await rejected()
    finally:
        fail()


async def raised_by_a_class_that_translates() -> None:
    """A limit: such a class must raise ``from``."""

    class Translating:
        def __enter__(self) -> None:
            pass

        def __exit__(self, kind: object, error: object, traceback: object) -> None:
            raise ServiceError

    with Translating():
        await rejected()


async def a_group_with_one_of_them() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(rejected())
        group.create_task(failed())


async def another_group_raised_from_it() -> None:
    try:
        await a_group_with_one_of_them()
    except ExceptionGroup as error:
        raise ExceptionGroup("of both", [CircuitOpenError("other", 1.0), ServiceError()]) from error


async def raised_from_a_group_with_one_of_them() -> None:
    try:
        await a_group_with_one_of_them()
    except ExceptionGroup as error:
        raise ServiceError from error


async def a_fallback_for_a_group_of_them_fails() -> None:
    try:
        await a_group_of_them()
    except ExceptionGroup:
        await fallback()


async def a_fallback_for_what_was_picked_out_of_a_group_fails() -> None:
    try:
        await a_group_of_them()
    except* (CircuitOpenError, ServiceError):
        await fallback()


FAILURES = [
    a_fallback_fails,
    a_fallback_fails_and_is_translated,
    a_fallback_in_another_task_fails,
    a_fallback_in_a_thread_fails,
    a_fallback_fails_from_another_cause,
    it_was_handled_before,
    it_was_handled_before_in_the_same_function,
    cleaning_up_fails,
    raised_by_a_class_that_translates,
    a_group_with_one_of_them,
    another_group_raised_from_it,
    raised_from_a_group_with_one_of_them,
    a_fallback_for_a_group_of_them_fails,
    a_fallback_for_what_was_picked_out_of_a_group_fails,
]
