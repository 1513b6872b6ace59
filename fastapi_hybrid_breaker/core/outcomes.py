"""What an exception or a returned value says of the upstream: success, failure, not counted."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from .states import FAILURE, NOT_COUNTED, SUCCESS
from .translated import rejection_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import CircuitConfig
    from .states import Outcome

_ENDS = (StopIteration, StopAsyncIteration)
"""How iterators say that there is nothing more."""

_SERVER_ERROR = 500

_OF_SERVER = frozenset(
    {
        "starlette.exceptions.HTTPException",
        "starlette.exceptions.WebSocketException",
        "starlette.requests.ClientDisconnect",
        "starlette.websockets.WebSocketDisconnect",
        "fastapi.exceptions.RequestValidationError",
        "fastapi.exceptions.WebSocketRequestValidationError",
    }
)
"""What a server raises about its own client: thrown into dependencies with ``yield``, it does not
mean the upstream that one of them guards."""

_MOST_TYPES = 1000


def without(
    error: BaseException, is_silent: Callable[[BaseException], bool]
) -> BaseException | None:
    """Return what remains of ``error`` without the silent ones in it; None: nothing.

    A group all of which remains comes back as itself: its class may mean something. So does what
    cannot be looked at, because a property of a stranger's class raises.
    """
    try:
        leaves = _leaves_of(error)
        left = [one for one in leaves if not is_silent(one)]
    except Exception:  # noqa: BLE001 - see above
        return error
    if len(left) == len(leaves):
        return error
    return BaseExceptionGroup("what is left of a group", left) if left else None


def _leaves_of(error: BaseException) -> list[BaseException]:
    """Return what a group is made of. No method of a group is called: those may be a stranger's."""
    leaves: list[BaseException] = []
    left = [error]
    while left:
        one = left.pop()
        if isinstance(one, BaseExceptionGroup):
            left.extend(one.exceptions)
        else:
            leaves.append(one)
    return leaves


class PredicateError(Exception):
    """A function of the user's that was to judge a call has raised; that is the cause."""


class Classifier:
    """What the exceptions that leave the calls of circuits with one configuration mean.

    ``plain`` are classes whose exceptions are failures, if they are raised for no other error and
    nobody has counted them yet: what most are, and need no closer look.

    Args:
        config: the circuits'.
    """

    __slots__ = ("__weakref__", "_config", "plain")

    def __init__(self, config: CircuitConfig) -> None:
        self._config = config
        self.plain: set[type[BaseException]] = set()

    def judge(
        self, error: BaseException, is_counted: Callable[[BaseException], bool] | None = None
    ) -> Outcome:
        """Return what ``error`` means for a guarded call.

        Not counted are: a rejection by any circuit and what was raised in its place, an ignored
        exception, an HTTPException below 500 and its like, the end of an iterator, and whatever is
        not an ``Exception`` (cancellation, GeneratorExit, KeyboardInterrupt). A group is a failure
        when at least one error within it is, and else a success when one is.

        Args:
            error: what left the call.
            is_counted: whether the circuit has counted an error as that of a call inside this one.

        Raises:
            PredicateError: ``failure_exceptions``, ``success_exceptions`` or
                ``ignored_exceptions`` is a function that raised.
        """
        outcome = NOT_COUNTED
        has_counted = False
        # Without recursion: nobody says how deep groups are nested.
        left = [error]
        while left:
            one = left.pop()
            found = self._look_at(one)
            if found is None and isinstance(one, BaseExceptionGroup):
                left.extend(one.exceptions)
            if found is not FAILURE:
                outcome = SUCCESS if found is SUCCESS else outcome
            elif is_counted is None or not is_counted(one):
                return FAILURE
            else:
                has_counted = True
        return NOT_COUNTED if has_counted else outcome

    def _look_at(self, error: BaseException) -> Outcome | None:
        """Return what one error means; None: a group, which means what is in it does."""
        config = self._config
        if rejection_in(error) is not None or _is_among("ignored_exceptions", config, error):
            return NOT_COUNTED
        if isinstance(error, BaseExceptionGroup) and not _is_named(config, error, _is_group):
            return None
        if not isinstance(error, Exception):
            return NOT_COUNTED
        if _is_among("success_exceptions", config, error):
            return SUCCESS
        if not _is_among("failure_exceptions", config, error) or _is_quiet(config, error):
            return NOT_COUNTED
        if _goes_by_type(config) and not _needs_a_look(error):
            if len(self.plain) >= _MOST_TYPES:
                self.plain.clear()  # of a program that makes classes as it runs
            self.plain.add(type(error))
        return FAILURE


_classifiers: WeakValueDictionary[int, Classifier] = WeakValueDictionary()
"""By the identity of the configuration, which lives as long as its classifier does."""


def classifier_of(config: CircuitConfig) -> Classifier:
    """Return the classifier that all circuits with this very configuration share.

    What one circuit has found out about a class of exceptions need not be found out by others,
    a thousand of which may fail in the same moment.
    """
    classifier = _classifiers.get(id(config))
    if classifier is None:
        classifier = _classifiers[id(config)] = Classifier(config)
    return classifier


def _needs_a_look(error: BaseException) -> bool:
    """Whether errors of this class differ by more than their class.

    A TypeError can mean that a circuit was used wrongly, and a group can hold a rejection.
    """
    return isinstance(error, TypeError | BaseExceptionGroup) or _is_of_server(type(error))


def _goes_by_type(config: CircuitConfig) -> bool:
    """Whether no function is asked about an exception."""
    asked = (config.failure_exceptions, config.success_exceptions, config.ignored_exceptions)
    return all(isinstance(one, tuple) for one in asked)


def _is_named(
    config: CircuitConfig, error: BaseException, is_kind: Callable[[type[BaseException]], bool]
) -> bool:
    """Whether a class of this kind is named itself, as failure or success, not merely a base."""
    return any(
        is_kind(kind) and isinstance(error, kind)
        for named in (config.failure_exceptions, config.success_exceptions)
        if isinstance(named, tuple)
        for kind in named
    )


def _is_group(kind: type[BaseException]) -> bool:
    return issubclass(kind, BaseExceptionGroup)


def _is_end(kind: type[BaseException]) -> bool:
    """Whether iterators say with it that there is nothing more."""
    return issubclass(kind, _ENDS)


def _is_of_server(kind: type[BaseException]) -> bool:
    """Whether Starlette or FastAPI raises it for its own client; neither need be installed."""
    return any(f"{one.__module__}.{one.__name__}" in _OF_SERVER for one in kind.__mro__)


def _is_quiet(config: CircuitConfig, error: Exception) -> bool:
    """Whether an exception is not counted, unless its class is named a failure."""
    if isinstance(error, _ENDS):
        return not _is_named(config, error, _is_end)
    if not _is_of_server(type(error)) or _is_named(config, error, _is_of_server):
        return False
    status = getattr(error, "status_code", 0)
    return isinstance(status, int) and status < _SERVER_ERROR


def judge_result(config: CircuitConfig, result: object) -> Outcome:
    """Say what a returned value means.

    Raises:
        PredicateError: ``failure_result`` raised.
    """
    if config.failure_result is None:
        return SUCCESS
    try:
        is_failure = bool(config.failure_result(result))
    except Exception as fault:
        raise PredicateError("failure_result") from fault
    return FAILURE if is_failure else SUCCESS


def _is_among(field: str, config: CircuitConfig, error: BaseException) -> bool:
    """Ask the types or the function in ``field`` about an error."""
    asked = getattr(config, field)
    if isinstance(asked, tuple):
        return isinstance(error, asked)
    try:
        return bool(asked(error))
    except Exception as fault:  # noqa: BLE001 - functions of strangers can raise anything
        raise PredicateError(field) from _apart_from(fault, error)


def _apart_from(fault: Exception, error: BaseException) -> Exception | None:
    """Return ``fault`` without the call's ``error``, which was being handled when it was raised.

    It is going to be logged with all that it was raised for, and the texts of errors hold secrets.
    """
    if fault is error:
        return None
    left: list[BaseException] = [fault]
    for one in left:
        if one.__context__ is error:
            one.__context__ = None
        if one.__cause__ is error:
            one.__cause__ = None
        raised_for = (one.__cause__, one.__context__)
        left += [more for more in raised_for if more is not None and more not in left]
    return fault
