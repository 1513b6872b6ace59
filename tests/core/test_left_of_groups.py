"""What is left of an exception without the errors in it that say nothing of the upstream."""

from __future__ import annotations

import asyncio

import pytest

from fastapi_hybrid_breaker.core.outcomes import without


def is_silent(error: BaseException) -> bool:
    return isinstance(error, KeyError)


def test_of_a_group_of_silent_errors_nothing_is_left() -> None:
    nested = ExceptionGroup("g", [KeyError(), ExceptionGroup("h", [KeyError(), KeyError()])])
    assert without(nested, is_silent) is None
    assert without(KeyError(), is_silent) is None


def test_an_error_that_says_something_is_left_of_a_group_however_deep_it_is() -> None:
    one, other = ValueError(), OSError()
    nested = ExceptionGroup("g", [one, ExceptionGroup("h", [KeyError(), other])])
    left = without(nested, is_silent)
    assert isinstance(left, ExceptionGroup)
    assert set(left.exceptions) == {one, other}


def test_a_cancellation_is_left_of_a_group() -> None:
    cancelled = asyncio.CancelledError()
    left = without(BaseExceptionGroup("g", [cancelled, KeyError()]), is_silent)
    assert isinstance(left, BaseExceptionGroup)
    assert left.exceptions == (cancelled,)


class OwnGroup(ExceptionGroup[Exception]):
    """A class that may mean something."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        OwnGroup("g", [ValueError(), ExceptionGroup("h", [OSError()])]),
        ExceptionGroup("g", [ValueError()] * 2),
    ],
    ids=repr,
)
def test_what_holds_nothing_silent_comes_back_as_itself(error: Exception) -> None:
    assert without(error, is_silent) is error


class HiddenError(ExceptionGroup[Exception]):
    @property
    def exceptions(self) -> tuple[Exception, ...]:
        raise RuntimeError


def test_a_group_that_cannot_be_looked_at_comes_back_as_itself() -> None:
    hidden = HiddenError("g", [KeyError()])
    assert without(hidden, is_silent) is hidden
