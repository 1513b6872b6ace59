"""What this process holds of the fleet, and what it makes of the news it hears."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.core.states import CircuitState
from fastapi_hybrid_breaker.core.versions import NO_HORIZON, is_newer
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

from .basic_format import BasicFormatClients
from .clock import ServerClock
from .messages import Tick, parse_message, parse_signal
from .pending_operations import PendingOperations
from .propagation_lag import PropagationLag
from .round_trips import RoundTrips
from .schedule import Schedule
from .seen_versions import SeenVersions
from .values import MalformedError
from .work_item import WorkItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.circuits.registry import Registry

    from .evidence_merger import EvidenceMerger
    from .first_use import FirstUse
    from .heartbeat import Heartbeat
    from .leases import Leases
    from .shared_override import SharedOverride
    from .shared_state import SharedState
    from .work_queue import WorkQueue

WRITE_BACK_CLOSED: Final = 3600.0
"""Seconds after its change for which a CLOSED state is worth writing back: a hash's life."""

_END_JITTER: Final = 0.1
"""Seconds at most after the end of an override before it is shown, so that one instance does it."""

_CLOCK_DOUBT: Final = 1.0
"""Seconds by which a message's stamp may differ from the server time as estimated here. Beyond,
the message was held up or the server's clock was set: reading the hash tells with a fresh stamp."""


class Inbox:
    """The circuits, the server's time, the newest version seen, and the work items that follow."""

    def __init__(
        self,
        registry: Registry,
        work: WorkQueue,
        *,
        instance: str,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self.registry = registry
        self.work = work
        self.instance = instance
        self.clock = clock
        self.server_clock: ServerClock = ServerClock()
        self._round_trips = RoundTrips()
        self.learning: PropagationLag = PropagationLag()
        self.orders: PendingOperations = PendingOperations()
        self.versions: SeenVersions = SeenVersions(clock, self.server_now)
        self.received: int = 0
        self.dropped: ThrottledLog = ThrottledLog(clock, "dropped from Redis: ")
        self.lacks_overrides: bool = False  # of circuits without room, read with a first use
        self.defects: ThrottledLog = ThrottledLog(
            clock, "internal error while sharing circuits (please report): "
        )
        self._random = random
        self.basic_clients: BasicFormatClients = BasicFormatClients(
            registry, work, clock=clock, server_now=self.server_now, random=random
        )
        self._ends = Schedule()  # of overrides
        self.merger: EvidenceMerger
        self.leases: Leases
        self.heartbeat: Heartbeat
        self.first_use: FirstUse

    def note_round_trip(self, seconds: float) -> None:
        """Record how long an exchange with the server has taken."""
        self._round_trips.note(seconds)
        self.registry.peers.round_trip = self._round_trips.longest

    def server_now(self) -> float | None:
        """Return the server's time, epoch seconds; None before the first answer."""
        return self.server_clock.now(self.clock())

    @contextmanager
    def contain(self, what: str) -> Iterator[None]:
        """Contain an unexpected exception: it costs what is done in here, and no more."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.defects.fail(what, error)

    def hear(self, data: object) -> None:
        """Apply a message of the channel of states; never raises for what is in it."""
        try:
            key, heard, override = parse_message(data)
        except MalformedError as error:
            self.dropped.warn(str(error))
            return
        writers = {said.writer for said in (heard, override) if said is not None}
        if writers == {self.instance}:
            return  # our own: the answer to the request tells the same
        self.received += 1
        if override is not None:
            self._hear_override(key, override)
        if heard is None:
            return
        circuit = self.registry.get(key)
        if circuit is None:
            self.versions.note(heard.version, self.versions.horizon())
            # Never adopted from a message alone: it may be old news of what was forgotten.
            if heard.is_basic:
                has_room = self.work.edit(key, WorkItem.read_for_live)
            else:
                has_room = self.work.want(key, "read")
            if not has_room:
                self.dropped.warn("news of more keys than there is room for")
        elif heard.is_basic:
            self.merger.received_basic(circuit, heard)
            self.basic_clients.received(circuit, heard, is_live=True)
        else:
            self._follow(circuit, heard, is_live=True)

    def hear_signal(self, data: object) -> bool:
        """Apply a message of the channel of signals; never raises for what is in it.

        Returns whether it leaves something to do.
        """
        try:
            signal = parse_signal(data)
        except MalformedError as error:
            self.dropped.warn(str(error))
            return False
        if isinstance(signal, Tick):
            return self.heartbeat.ticked(signal.live)
        circuit = self.registry.get(signal.key)
        if circuit is None:
            return False
        core = circuit.core
        if (core.membership.version, core.membership.writer) != (signal.version, signal.writer):
            return False  # about a state that this process does not know, or not any more
        self.received += 1
        if signal.name == "probing":
            return self.leases.seen(circuit, signal)
        return self.merger.signalled(circuit, signal)

    def found(self, key: str, heard: SharedState | None, *, is_live: bool) -> None:
        """Apply what was read from a circuit's hash; None: there is no state.

        ``is_live``: a message of the basic format, about this moment, was the reason.
        """
        made_at = self.learning.unread.pop(key, None)
        self._take_in(key, heard, is_live=is_live, is_first=made_at is not None)
        circuit = self.registry.get(key)
        if made_at is not None and circuit is not None:
            self.first_use.found(circuit, heard, made_at)

    def _take_in(
        self, key: str, heard: SharedState | None, *, is_live: bool, is_first: bool
    ) -> None:
        circuit = self.registry.get(key)
        if heard is None:
            if circuit is not None:
                self.missed(circuit)
            return
        if circuit is None:
            if heard.state is CircuitState.CLOSED:
                return
            circuit = self.registry.hear_of(key)
            if circuit is None:
                self.dropped.warn("a circuit for which max_circuits leaves no room")
                return
        if heard.is_basic:
            self.basic_clients.received(circuit, heard, is_live=is_live)
        else:
            self._follow(circuit, heard, is_live=False, is_first=is_first)

    def _hear_override(self, key: str, heard: SharedOverride) -> None:
        """Apply what a message says of an override.

        It is read instead as long as the order of versions is not certain: before the server's
        time is known, and where what is known here is newer, for the server's clock may have been
        set back.
        """
        circuit, horizon = self.registry.get(key), self.versions.horizon()
        slot = None if circuit is None else circuit.core.override
        ours = (0, "") if slot is None else (slot.version, slot.writer)
        if horizon == NO_HORIZON or is_newer(ours, (heard.version, heard.writer), horizon):
            self.work.want(key, "read_override")
        else:
            self.follow_override(key, heard, self.server_now(), make=False)

    def follow_override(
        self, key: str, heard: SharedOverride, server_now: float | None, *, make: bool
    ) -> None:
        """Apply what the register says of a circuit's override.

        ``make``: it was read just now, and may be news of a circuit that is not known here. From
        a message alone such a circuit is never made.
        """
        news = heard.news(server_now)
        circuit = self.registry.get(key)
        if news is not None:
            known = circuit.core.override.version if circuit else 0
            self.versions.note(heard.version, news.horizon, known)
        if circuit is not None and heard.has_lost_mode_of(circuit.core):
            self.work.want(key, "restore_override", must=True)
            return
        # What a message tells of is hardly over: rather is the server's clock not what we think.
        is_in_doubt = not make and news is not None and news.override is None and heard.kind
        if news is None or is_in_doubt or (circuit is None and not make):
            self.work.want(key, "read_override")
            return
        if circuit is None and news.override is not None:
            circuit = self.registry.hear_of(key)
        if circuit is None:
            if not self.registry.held.follow(key, news):
                self.dropped.warn("an override for which there is no room")
                self.lacks_overrides = True
            return
        with circuit.changing() as (core, now):
            core.adopt_override(news, now)
        override = circuit.core.override.current
        if override is not None and override.deadline is not None:
            self.note_end(key, override.deadline)

    def note_end(self, key: str, deadline: float) -> None:
        """Record when an override ends; thanks to the jitter, one instance shows it to all."""
        self._ends.drop(key)
        self._ends.note(key, deadline + self._random.uniform(0, _END_JITTER))

    def next_end(self) -> float | None:
        """Return when the next override ends, or None."""
        return self._ends.next_due()

    def ended(self, most: int) -> list[str]:
        """Return circuits whose override may have ended by now, once each."""
        return list(self._ends.take(self.clock(), most))

    def missed(self, circuit: Circuit, *, must: bool = False) -> None:
        """Write a circuit's state back where the server does not know it any more.

        ``must``: also a state that has long been the normal one.
        """
        with circuit.locked() as core:
            ours = core.membership.describe(circuit.clock())
        is_stale = (
            ours.state is CircuitState.CLOSED
            and self.clock() - circuit.core.machine.changed_at > WRITE_BACK_CLOSED
        )
        is_alone = circuit.core.membership.local_only and not must
        is_for_all = circuit.config.scope == "fleet" and not is_alone
        if ours.version and is_for_all and (must or not is_stale):
            self.work.want(circuit.key, "restore", must=True)

    def _follow(
        self, circuit: Circuit, heard: SharedState, *, is_live: bool, is_first: bool = False
    ) -> None:
        self.work.edit(circuit.key, WorkItem.forget_basic, must=True)
        with circuit.locked() as core:
            ours = core.membership.describe(circuit.clock())
        server_now = self.server_now()
        if (heard.version, heard.writer) == (ours.version, ours.writer):
            return
        # Whatever its version: where the clocks differ, the order of versions is not certain.
        if is_live and (server_now is None or abs(server_now - heard.at) > _CLOCK_DOUBT):
            self.work.want(circuit.key, "read", must=True)
            return
        news = heard.news(server_now)
        self.versions.note(heard.version, news.horizon, ours.version)
        if news.is_newer_than(ours.version, ours.writer):
            with circuit.changing() as (core, now):
                core.membership.adopt(news, now)
            if heard.writer != self.instance and not is_first:
                self.learning.learned(heard.at, server_now, by_message=is_live)
        elif not is_live:
            self.missed(circuit, must=True)  # or newcomers would believe the server
