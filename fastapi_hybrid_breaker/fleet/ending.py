"""How a session ends: once, from whatever asks for it first, and with what it leaves behind."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from .own_instance import OwnInstance

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")

_MOST_NAMED: Final = 3


class Ending:
    """The end of one session.

    ``is_stopping``: nobody joins any more; ``is_begun``: nothing more is sent; ``over`` is done
    when all of it has ended; ``unsent`` is what was still to be sent, in one sentence.

    Args:
        ended: called once all has ended.
    """

    def __init__(self, ended: Callable[[], object]) -> None:
        self._ended = ended
        self.is_stopping: bool = False
        self.is_begun: bool = False
        self.over: Future[None] = Future()
        self.over.set_running_or_notify_cancel()  # many wait for it: none of them cancels it
        self.unsent: str | None = None

    def finish(self) -> None:
        """Record that all has ended."""
        if not self.over.done():
            self.over.set_result(None)
            self._ended()

    def note_unsent(self, own: OwnInstance) -> None:
        """Log which circuits' changes Redis has not taken, now that nothing more will be sent."""
        keys = dict.fromkeys(own.work.operations.keys())
        for circuit in own.registry:
            if circuit._core.membership.unsynced:
                keys[circuit.key] = None
        if keys and self.unsent is None:
            number = "1 circuit" if len(keys) == 1 else f"{len(keys)} circuits"
            named = ", ".join(islice(map(repr, keys), _MOST_NAMED))
            named += ", ..." if len(keys) > _MOST_NAMED else ""
            what = f"the last changes of {number} reached Redis: {named}"
            self.unsent = f"sharing has ended before {what}"
            log.warning("%s", self.unsent)
