"""What comes from the fleet, and what this process makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.core.states import CircuitState

from .messages import Tick, parse_message, parse_signal
from .values import MalformedError
from .work_item import WorkItem
from .write_back import write_back

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.circuits.circuit import Circuit

    from .basic_format import BasicFormatClients
    from .evidence_merger import EvidenceMerger
    from .first_use import FirstUse
    from .heartbeat import Heartbeat
    from .leases import Leases
    from .overrides import Overrides
    from .own_instance import OwnInstance
    from .shared_state import SharedState

_CLOCK_DOUBT: Final = 1.0
"""Seconds by which a message's stamp may differ from the server time as estimated here. Beyond,
the message was held up or the server's clock was set: the hash is read, with a fresh stamp."""


class Inbox:
    """Applies messages, signals and hashes to the circuits of this process.

    Args:
        own: this instance.
        basic_clients, merger, first_use, overrides, leases, heartbeat: apply what is about them.
    """

    def __init__(
        self,
        own: OwnInstance,
        *,
        basic_clients: BasicFormatClients,
        merger: EvidenceMerger,
        first_use: FirstUse,
        overrides: Overrides,
        leases: Leases,
        heartbeat: Heartbeat,
    ) -> None:
        self._own = own
        self.basic_clients: BasicFormatClients = basic_clients
        self._merger = merger
        self._first_use = first_use
        self._overrides = overrides
        self._leases = leases
        self._heartbeat = heartbeat
        self.received: int = 0
        """How many messages of others were taken in."""

    def receive(self, data: object) -> None:
        """Apply a message of the channel of states; never raises for what is in it."""
        try:
            key, heard, override = parse_message(data)
        except MalformedError as error:
            self._own.faults.dropped.warn(str(error))
            return
        name = self._own.name
        if (heard is None or heard.writer == name) and (
            override is None or override.writer == name
        ):
            return  # our own: the answer to the request says the same
        self.received += 1
        if override is not None:
            self._overrides.received(key, override)
        if heard is None:
            return
        circuit = self._own.registry.get(key)
        if circuit is None:
            self._own.server.note(heard.version, self._own.server.horizon())
            # Never adopted from a message alone: it may be an old message about what was forgotten.
            if heard.is_basic:
                has_room = self._own.work.edit(key, WorkItem.read_for_live)
            else:
                has_room = self._own.work.want(key, "read")
            if not has_room:
                self._own.faults.dropped.warn("news of more keys than there is room for")
        elif heard.is_basic:
            self._merger.received_basic(circuit, heard)
            self.basic_clients.received(circuit, heard, is_live=True)
        else:
            self._follow(circuit, heard, is_live=True)

    def receive_signal(self, data: object) -> bool:
        """Apply a message of the channel of signals; never raises for what is in it.

        Returns whether it leaves something to do.
        """
        try:
            signal = parse_signal(data)
        except MalformedError as error:
            self._own.faults.dropped.warn(str(error))
            return False
        if isinstance(signal, Tick):
            return self._heartbeat.ticked(signal.live)
        circuit = self._own.registry.get(signal.key)
        if circuit is None:
            return False
        core = circuit._core
        if (core.membership.version, core.membership.writer) != (signal.version, signal.writer):
            return False  # about a state that this process does not know, or not any more
        self.received += 1
        if signal.name == "probing":
            return self._leases.seen(circuit, signal)
        return self._merger.signalled(circuit, signal)

    def found(self, key: str, heard: SharedState | None, *, is_live: bool) -> None:
        """Apply what was read from a circuit's hash; None: there is no state.

        ``is_live``: a message of the basic format, about this moment, was the reason.
        """
        made_at = self._own.lag.unread.pop(key, None)
        self._take_in(key, heard, is_live=is_live, is_first=made_at is not None)
        circuit = self._own.registry.get(key)
        if made_at is not None and circuit is not None:
            self._first_use.found(circuit, heard, made_at)

    def _take_in(
        self, key: str, heard: SharedState | None, *, is_live: bool, is_first: bool
    ) -> None:
        circuit = self._own.registry.get(key)
        if heard is None:
            if circuit is not None:
                write_back(circuit, self._own.work)
            return
        if circuit is None:
            if heard.state is CircuitState.CLOSED:
                return
            circuit = self._own.registry.hear_of(key)
            if circuit is None:
                self._own.faults.dropped.warn("a circuit for which max_circuits leaves no room")
                return
        if heard.is_basic:
            self.basic_clients.received(circuit, heard, is_live=is_live)
        else:
            self._follow(circuit, heard, is_live=False, is_first=is_first)

    def _follow(
        self, circuit: Circuit, heard: SharedState, *, is_live: bool, is_first: bool = False
    ) -> None:
        self._own.work.forget_basic(circuit.key)
        with circuit._hold() as core:
            ours = core.membership.describe(circuit._clock())
        server_now = self._own.server.now()
        if (heard.version, heard.writer) == (ours.version, ours.writer):
            return
        # Whatever its version: where the clocks differ, the order of versions is not certain.
        if is_live and (server_now is None or abs(server_now - heard.at) > _CLOCK_DOUBT):
            self._own.work.want(circuit.key, "read", must=True)
            return
        news = heard.news(server_now)
        self._own.server.note(heard.version, news.horizon, ours.version)
        if news.is_newer_than(ours.version, ours.writer):
            with circuit._change() as (core, now):
                core.membership.adopt(news, now)
            if heard.writer != self._own.name and not is_first:
                self._own.lag.learned(heard.at, server_now, by_message=is_live)
        elif not is_live:
            write_back(circuit, self._own.work, must=True)  # or newcomers would believe the server
