"""What to make of a writer of the plain format: a service that knows no versions.

Pure rules; how they are carried out is the script's and the agenda's business.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.states import CircuitState

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.news import Proposal

    from .wire import Heard

SAME_OPENING = 1.0
"""Seconds by which two ends of an open time may differ and still mean the same opening."""

LONGEST_LIVE = 1.5
"""Recovery timeouts that an opening told of by a live message may last."""


class Verdict(Enum):
    """What plain news calls for."""

    NOTHING = "nothing"  # it says what we know: no command
    ADOPT = "adopt"
    REASSERT = "reassert"  # it has not heard of our opening: say it again


def weigh(  # noqa: PLR0911 - a table of cases, one answer each
    heard: Heard,
    ours: Proposal,
    *,
    server_now: float | None,
    recovery_timeout: float,
    is_live: bool,
    knows_opening: bool,
) -> Verdict:
    """Hold plain news against what this process knows.

    ``is_live`` tells a message from a hash. ``knows_opening`` says that plain news of the
    present opening was heard: whoever has heard of it may end it. A speaker that has not goes
    on saying CLOSED with every success.
    """
    is_running = ours.state is CircuitState.OPEN and ours.remaining > 0
    if heard.state is CircuitState.OPEN:
        if ours.state is not CircuitState.OPEN:
            return Verdict.ADOPT
        if server_now is None:
            return Verdict.NOTHING
        wait = heard.next_attempt - server_now
        # Only a later end is another opening; a past end is a clock that is wrong, or old news,
        # and so is, in a message about this moment, one that no recovery timeout reaches.
        if wait <= ours.remaining + SAME_OPENING:
            return Verdict.NOTHING
        if is_live and is_running and wait > LONGEST_LIVE * recovery_timeout:
            return Verdict.NOTHING
        return Verdict.ADOPT
    if heard.state is ours.state:
        return Verdict.NOTHING
    return Verdict.REASSERT if is_running and not knows_opening else Verdict.ADOPT
