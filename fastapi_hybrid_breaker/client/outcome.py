"""What a call through a transport says about the dependency: the rules, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.outcomes import without
from fastapi_hybrid_breaker.core.states import FAILURE, SUCCESS

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.states import Outcome

ALSO_FAILING = frozenset({429})
"""Statuses below 500 that are failures when a dependency answers them: it asks for fewer calls."""

_OWN_FAULTS = frozenset({"PoolTimeout", "UnsupportedProtocol", "LocalProtocolError"})
# h11 and httpcore as well: a body that is shorter than its announced length escapes unmapped.
_LIBRARIES = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "h11"})


def of_head(config: CircuitConfig, method: str, status: int, *, is_over: bool) -> Outcome | None:
    """Judge a response by its head, or return None: the body decides.

    ``is_over``: the transport has read or closed the body by itself: nobody will read it again.
    """
    if config.is_failing(status, also=ALSO_FAILING):
        return FAILURE
    # Responses that cannot have a body end with their head, and are commonly left unread. After
    # an upgrade (101) the bytes that follow are no body, and may follow for hours.
    if is_over or status in {101, 204, 304} or method == "HEAD":
        return SUCCESS
    return None


def about_upstream(config: CircuitConfig, error: BaseException) -> BaseException | None:
    """Return what in ``error`` may be about the upstream; None: nothing.

    A full pool, an unknown scheme and a request that breaks the protocol are the caller's own.
    A configuration that names one of these classes itself in ``failure_exceptions`` or
    ``success_exceptions``, not merely a base of it, wants it counted all the same.
    """
    # A function is asked about these errors only where they are not the caller's own.
    wanted = [
        kind
        for named in (config.failure_exceptions, config.success_exceptions)
        if isinstance(named, tuple)
        for kind in named
        if _is_own_fault(kind)
    ]

    def is_silent(one: BaseException) -> bool:
        return _is_own_fault(type(one)) and not isinstance(one, tuple(wanted))

    return without(error, is_silent)


def _is_own_fault(kind: type) -> bool:
    return any(
        base.__name__ in _OWN_FAULTS and base.__module__.partition(".")[0] in _LIBRARIES
        for base in kind.__mro__
    )
