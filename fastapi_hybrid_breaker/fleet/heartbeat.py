"""Heartbeats of this process, and who else lives. No I/O."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import Future
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from .about_instances import parse_heartbeat, parse_instance, parse_pairs
from .live_count import LiveCount
from .messages import PROTOCOL
from .scripts import load
from .unhealthy import UnhealthyCircuits
from .values import MalformedError
from .work_item import Request, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi_hybrid_breaker.throttled_log import ThrottledLog

    from .instances import Instance
    from .own_instance import OwnInstance
    from .work_item import Kind

BEAT_EVERY: Final = 5.0
"""Seconds, give or take a tenth, between two heartbeats; and between two ticks in the fleet."""

LOST_AFTER: Final = 15.0
"""Seconds without a heartbeat after which an instance does not count."""

_SOON: Final = 0.5
"""Seconds in which the server is asked at the latest where a tick says more than is believed."""

FORGOTTEN_AFTER: Final = 60.0
"""Seconds after which it is not shown any more."""

_SCRIPT: Final = load("heartbeat.lua")


class Heartbeat:
    """Heartbeats, and the list of the instances that send them.

    Args:
        own: this instance.
        forgotten: called when the server does not know this process any more, although it did:
            all its data are gone, by a FLUSHALL that leaves connections as they are.
    """

    plans: tuple[str, ...] = ("heartbeat", "instances")
    kinds: tuple[Kind, ...] = ("heartbeat", "instances")

    def __init__(self, own: OwnInstance, forgotten: Callable[[], None]) -> None:
        self._own = own
        self._forgotten = forgotten
        self._is_known = False  # to the server, since the last subscription
        self._is_leaving = False
        self._seen: dict[str, str] = {}  # who was seen when, as far as the answer has come
        self._waiting: list[Future[list[Instance] | None]] = []
        self._about = {
            "host": socket.gethostname(),
            "started": time.time(),
            "version": library_version(),
        }
        self.live: LiveCount = LiveCount(own.registry.peers, own.clock, fewer_after=LOST_AFTER)
        self._asked_at = float("-inf")  # for what a tick said
        self.unhealthy: UnhealthyCircuits = UnhealthyCircuits(own.registry)
        own.schedule.note("heartbeat", "", 0.0)

    def beat(self) -> None:
        """Send a heartbeat at once: after each subscription, who was thought lost is back."""
        self._own.schedule.note("heartbeat", "", 0.0)
        self._is_known = False

    def ticked(self, live: int) -> bool:
        """Apply a tick's number of instances; return whether to send a heartbeat at once.

        That is so where it says more than is believed: as when many instances start together. Yet
        anybody can send ticks, so they at most double the number of heartbeats.
        """
        now = self._own.clock()
        is_more = self.live.announced(live)
        if not is_more or self._is_leaving or now - self._asked_at < BEAT_EVERY:
            return False
        self._asked_at = now
        self._own.schedule.note("heartbeat", "", now + self._own.random.uniform(0.0, _SOON))
        return True

    def leave(self) -> None:
        """Report that this process ends."""
        self._is_leaving = True
        self._own.schedule.note("heartbeat", "", 0.0)

    def ask(self) -> Future[list[Instance] | None]:
        """Request the list of instances; the future gets it."""
        answer: Future[list[Instance] | None] = Future()
        self._waiting.append(answer)
        self._own.schedule.note("instances", "", 0.0)
        return answer

    def due(self, kind: str, key: str, now: float) -> Iterator[Request]:  # noqa: ARG002 - one each
        """Return the heartbeat, or the requests for the list."""
        names, schedule = self._own.names, self._own.schedule
        if kind == "instances":
            waiting, self._waiting = self._waiting, []
            yield Request("instances", "", ("ZRANGE", names.live, 0, -1, "WITHSCORES"))
            yield Request("instances", "", ("HGETALL", names.instances), waiting=waiting)
        elif not self._is_leaving and not self.unhealthy.look_on(now):
            schedule.note("heartbeat", "", 0.0)  # more circuits are to be looked at first
        else:
            if not self._is_leaving:
                jitter = self._own.random.uniform(0.9, 1.1)
                schedule.note("heartbeat", "", now + BEAT_EVERY * jitter)
            yield Request("heartbeat", "", self._command(now))

    def put_back(self, request: Request) -> None:
        """Send the heartbeat again at once; nobody waits for an older list."""
        if request.kind == "heartbeat":
            self._own.schedule.note("heartbeat", "", 0.0)
        for waiting in request.waiting:
            resolve(waiting, None)

    def answered(self, request: Request, answer: Any) -> None:
        """Apply how many instances live, or which.

        Raises:
            MalformedError: it is no answer to such a question.
        """
        if request.kind == "heartbeat":
            reply = parse_heartbeat(answer)
            self.live.answered(reply.live)
            if reply.is_new == 1 and self._is_known:
                self._forgotten()
            self._is_known = True
            return
        if request.waiting:
            server_now = self._own.server.now() or 0.0
            found = read_instances(self._seen, answer, server_now, self._own.faults.dropped)
            for waiting in request.waiting:
                resolve(waiting, found)
        else:
            self._seen = parse_pairs(answer)

    def _command(self, now: float) -> tuple[Any, ...]:
        about = "" if self._is_leaving else json.dumps(self._about | self.unhealthy.report(now))
        return _SCRIPT.command(
            (self._own.names.live, self._own.names.instances),
            self._own.name,
            about,
            round(LOST_AFTER * 1000),
            round(FORGOTTEN_AFTER * 1000),
            round(BEAT_EVERY * 1000),
            self._own.names.signals,
            PROTOCOL,
        )


def read_instances(
    seen: dict[str, str], answer: Any, server_now: float, dropped: ThrottledLog
) -> list[Instance]:
    """Return what the instances report, those ``seen`` (and when), the oldest first.

    Raises:
        MalformedError: the answer has another form; a malformed instance is only counted.
    """
    about = parse_pairs(answer)
    found = []
    for name, last in seen.items():
        try:
            said = about.get(name, "")
            one = parse_instance(name, last, said, server_now=server_now, lost_after=LOST_AFTER)
            found.append(one)
        except MalformedError as error:
            dropped.warn(str(error))
    return sorted(found, key=lambda one: one.started)


def library_version() -> str:
    """Return the version of this library; "": it is not installed."""
    try:
        return version("fastapi-hybrid-breaker")
    except PackageNotFoundError:  # run from its source, without being installed
        return ""
