"""What goes wrong with what comes from Redis: counted, and logged once a minute at most."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.throttled_log import ThrottledLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Faults:
    """Counts what was ``dropped``, being malformed, and ``defects``: errors of our own.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.dropped: ThrottledLog = ThrottledLog(clock, "dropped from Redis: ")
        self.defects: ThrottledLog = ThrottledLog(
            clock, "internal error while sharing circuits (please report): "
        )

    @contextmanager
    def contain(self, what: str) -> Iterator[None]:
        """Contain an unexpected exception: it costs what is done in here, and no more."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.defects.fail(what, error)
