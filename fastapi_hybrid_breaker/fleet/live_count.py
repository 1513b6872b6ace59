"""How many instances this process believes to live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.core.peers import Peers

_MOST_AT_ONCE: Final = 2
"""Times the last answer to which a message may raise the number."""


class LiveCount:
    """Keeps ``Peers.live``.

    The answers to this process's own heartbeats decide. Fewer are believed only after a while: a
    server that has forgotten all, or whose clock was set, counts them anew one by one. A tick,
    which anybody can send, may raise the number until the next answer, and not by much: a quorum
    by share of a million instances would open nothing.

    Args:
        peers: whose number it is.
        clock: monotonic seconds.
        fewer_after: seconds after which fewer are believed.
    """

    def __init__(self, peers: Peers, clock: Callable[[], float], *, fewer_after: float) -> None:
        self._peers = peers
        self._clock = clock
        self._fewer_after = fewer_after
        self._believed = peers.live
        self._answer = 1
        self._fewer_since: float | None = None

    def answered(self, live: int) -> None:
        """Record what the server has answered to a heartbeat."""
        self._answer = live = max(1, live)
        now = self._clock()
        if live < self._believed and self._fewer_since is None:
            self._fewer_since = now
        is_sure = self._fewer_since is not None and now - self._fewer_since >= self._fewer_after
        if live >= self._believed or is_sure:
            self._believed, self._fewer_since = live, None
        self._peers.live = self._believed

    def announced(self, live: int) -> bool:
        """Record what a tick says; return whether it says more than is believed of it."""
        most = _MOST_AT_ONCE * self._answer
        self._peers.live = max(self._peers.live, min(live, most))
        return live > self._peers.live
