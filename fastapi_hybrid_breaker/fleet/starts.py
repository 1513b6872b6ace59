"""Who has started the exchange with the fleet, and in which event loop it runs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .session import Session
from .supervised import is_ending

if TYPE_CHECKING:
    from .session import SessionSetup

_LOOK_EVERY: Final = 1.0
"""Seconds between two looks of a waiting event loop whether the one with the session lives."""

_CLOSED: Final = (
    "state is not shared any more: the event loop in which the breaker was started has been closed"
    " without a stop"
)

_left_behind: list[Session] = []
"""Sessions of a parent process: in a child they are neither used nor ended (their sockets are
the parent's), and ending them by garbage collection would warn."""


@dataclass(eq=False)
class Stretch:
    """From an event loop's first start to the stop that ends it.

    Args:
        count: starts that have not been stopped.
        timer: looks whether the event loop that has the session lives.
    """

    count: int = 0
    timer: asyncio.TimerHandle | None = None


class Starts:
    """Counts starts and stops by event loop; one loop of those has the session.

    On the others circuits work on this process's memory, which all share. When the loop that has
    the session stops it, or is closed without a stop, another one that has started goes on with a
    session of its own.

    Starts and stops may overlap: a start during a stop waits for its end, and begins anew; a start
    that is cancelled counts as none.

    Args:
        setup: what sessions are made of.
    """

    def __init__(self, setup: SessionSetup) -> None:
        self._setup = setup
        self._lock = threading.Lock()  # never held while anything else of ours runs
        self._stretches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Stretch] = (
            weakref.WeakKeyDictionary()
        )
        self._session: Session | None = None
        self.since: float = time.time()
        """Since when there is no session, if there is none: epoch seconds."""
        self.loss: str | None = None
        """What is lost with the last session, and why there is none, if that was nobody's wish."""

    def session(self) -> Session | None:
        """Return the session; from any thread, also from a finalizer."""
        session = self._session
        if session is not None and session.loop.is_closed():
            # Its loop ended without a stop. Never waits: whoever has the lock sees it as well.
            session.ending.note_unsent(session.own)
            if self._lock.acquire(blocking=False):
                try:
                    self._forget(session)
                finally:
                    self._lock.release()
            return None
        return session

    async def start(self) -> None:
        """Count a start, and see to it that there is a session; returns within about a second."""
        loop = asyncio.get_running_loop()
        with self._lock:
            stretch = self._stretches.setdefault(loop, Stretch())
            stretch.count += 1
        try:
            session = await self._join(loop, stretch)
            if session.loop is loop:
                await self._wait_for(session)
        except BaseException:
            await self._take_back(loop, stretch)
            raise

    async def stop(self) -> None:
        """Count a stop; the last one of the loop that has the session ends it."""
        loop = asyncio.get_running_loop()
        with self._lock:
            stretch = self._stretches.get(loop)
            if stretch is not None and self._leave(loop, stretch):
                return
        session = self.session()
        if session is not None and session.loop is loop:
            await session.stop()

    def after_fork(self) -> None:
        """Leave what runs to the parent and wait for a start in this process."""
        self._lock = threading.Lock()
        self._setup.source.after_fork()
        if self._session is not None:
            _left_behind.append(self._session)
        self._session, self.since = None, time.time()
        self._setup.joined(None)
        self._stretches = weakref.WeakKeyDictionary()

    async def _join(self, loop: asyncio.AbstractEventLoop, stretch: Stretch) -> Session:
        """Return the session that runs, made now where there is none.

        Or one that has ended, where a stop has ended ``stretch`` meanwhile.
        """
        while True:
            session = self._begin(loop)
            if not session.ending.is_stopping:
                return session
            await session.ended()
            if not session.ending.over.done():  # its loop is busy, or stands still: see _look
                return session
            with self._lock:
                if self._stretches.get(loop) is not stretch:
                    return session

    async def _wait_for(self, session: Session) -> None:
        outages = self._setup.outages
        if (
            outages.is_worth_waiting()
            and not await session.started()
            and not session.ending.is_stopping
        ):
            outages.waited(in_vain=True)

    async def _take_back(self, loop: asyncio.AbstractEventLoop, stretch: Stretch) -> None:
        """Undo a start that was cancelled."""
        with self._lock:
            # A stop may have been counted for it meanwhile, and another start begun anew.
            is_counted = self._stretches.get(loop) is stretch
            if not is_counted or self._leave(loop, stretch):
                return
        session = self.session()
        if session is not None and session.loop is loop and not session.ending.is_stopping:
            session.end()
            await session.ended()

    def _leave(self, loop: asyncio.AbstractEventLoop, stretch: Stretch) -> bool:
        """Count one start less; return whether any is left. Needs the lock."""
        stretch.count -= 1
        if stretch.count > 0:
            return True
        del self._stretches[loop]
        if stretch.timer is not None:
            stretch.timer.cancel()
        return False

    def _begin(self, loop: asyncio.AbstractEventLoop) -> Session:
        """Return the session; where there is none, begin one on this loop, which is ours."""
        self.session()  # forgets one whose loop is closed
        with self._lock:
            session = self._session
            if session is not None and session.loop.is_closed():
                self._forget(session)
                session = None
            is_new = session is None
            if session is None:
                session = self._session = Session(
                    self._setup, ended=self._ended, closed=self.session
                )
        if is_new:
            self._setup.lag.start()
            session.begin()
        elif session.loop is not loop:
            self._watch(loop)
        return session

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make ``loop``, which is ours, look after the session of another one."""
        with self._lock:
            stretch = self._stretches.get(loop)
            if stretch is not None:
                if stretch.timer is not None:
                    stretch.timer.cancel()
                context = self._setup.new_context()
                stretch.timer = loop.call_later(_LOOK_EVERY, self._look, loop, context=context)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Go on with a session of this loop's own if the other one's has ended."""
        with self._lock:
            is_wanted = loop in self._stretches
        if is_wanted and is_ending(loop, looks=1):
            self._watch(loop)
        elif is_wanted:
            self._begin(loop)

    def _ended(self, session: Session) -> None:
        """Forget a session that has ended, and have other loops that have started go on."""
        with self._lock:
            self._forget(session)
            others = list(self._stretches)
        for loop in others:
            with contextlib.suppress(RuntimeError):  # closed
                loop.call_soon_threadsafe(self._look, loop, context=self._setup.new_context())

    def _forget(self, session: Session) -> None:
        """Needs the lock."""
        if self._session is session:
            self._session, self.since, self.loss = None, time.time(), session.ending.unsent
            if session.loop.is_closed():
                more = "" if session.ending.unsent is None else f"; {session.ending.unsent}"
                self.loss = f"{_CLOSED}{more}"
            self._setup.registry.peers.leave()
            self._setup.joined(None)
