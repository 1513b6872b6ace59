"""Requests about the state of one circuit, and what their answers change. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .commands import UNKNOWN
from .work_item import Request, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.core.news import News, Proposal

    from .answers import Reply
    from .commands import Commands
    from .inbox import Inbox
    from .work_item import Kind, Reset, WorkItem


class CircuitRequests:
    """Makes the requests that read, change, reset or restore a circuit's state.

    Args:
        inbox: what is known of the fleet.
        commands: makes the commands.
        written: called with key and version of each state that the server has stored for us.
        taken: called with each circuit whose state was compared with the server's.
    """

    def __init__(
        self,
        inbox: Inbox,
        commands: Commands,
        *,
        written: Callable[[str, int], object],
        taken: Callable[[Circuit], object],
    ) -> None:
        self._inbox = inbox
        self._commands = commands
        self._written = written
        self._taken = taken
        self._proposed: dict[str, tuple[Proposal, str]] = {}  # by key, with the operation

    def request(self, kind: Kind, key: str, item: WorkItem) -> Request | None:
        """Return the request for one thing to do; None: it has become needless."""
        if kind == "read":
            command = self._commands.read(key)
            return Request(
                "read",
                key,
                command,
                is_news=item.read,
                is_live=item.is_live,
                waiting=item.waiting,
            )
        if item.reset is not None:
            return self._reset_request(key, item.reset)
        if item.basic is not None:
            timeout = self._inbox.registry.config_for(key).recovery_timeout
            command = self._commands.adopt_basic(key, item.basic, timeout)
            return Request("plain", key, command, basic=item.basic)
        circuit = self._inbox.registry.get(key)
        if circuit is None:
            return None
        ask = self._change_request if kind == "change" else self._restore_request
        return ask(circuit)

    def _change_request(self, circuit: Circuit) -> Request | None:
        with circuit.locked() as core:
            proposal = core.membership.propose(circuit.clock())
        if proposal is None:
            return None
        before, operation = self._proposed.get(circuit.key, (None, ""))
        if before is None or not before.is_of_change(proposal):
            operation = self._commands.new_operation()
            self._proposed[circuit.key] = (proposal, operation)
        command = self._commands.script("change", circuit.key, operation, proposal)
        return Request("change", circuit.key, command, proposal)

    def _restore_request(self, circuit: Circuit) -> Request | None:
        with circuit.locked() as core:
            ours = core.membership.describe(circuit.clock())
        if circuit.core.membership.unsynced or circuit.config.scope != "fleet" or not ours.version:
            return None  # a change of our own says it all, and who decides alone knows nothing else
        if circuit.core.membership.local_only:  # what it departed from, for itself, was CLOSED
            ours = replace(UNKNOWN, version=ours.version, writer=ours.writer)
        command = self._commands.script("restore", circuit.key, proposal=ours)
        return Request("restore", circuit.key, command, ours)

    def _reset_request(self, key: str, reset: Reset) -> Request:
        circuit = self._inbox.registry.get(key)
        proposal = reset.proposal
        if circuit is not None and proposal is not None:
            # As it was decided, on top of what has been heard by now.
            with circuit.locked() as core:
                ours = core.membership.describe(circuit.clock())
            proposal = replace(proposal, version=ours.version, writer=ours.writer)
        command = self._commands.reset(
            key, reset.operation, by=reset.by, reason=reset.reason, ramp=reset.ramp
        )
        return Request("reset", key, command, proposal, reset=reset)

    def answered(self, request: Request, reply: Reply) -> None:
        """Apply the script's answer."""
        if reply.status == "foreign":
            self._found_basic(request)
        elif (stored := reply.stored) is not None:
            self._take_stored(request, reply.status, stored.news(reply.server_time))
            if request.reset is not None:
                self._inbox.orders.taken(request.key, "reset", request.reset.operation)
                for waiting in request.reset.waiting:
                    resolve(waiting, reply.effective_override())

    def _found_basic(self, request: Request) -> None:
        """Handle that a client of the basic format has written since our last reading."""
        if request.kind == "show":  # nothing of ours waits for it: treated as any update
            self._inbox.work.want(request.key, "read", must=True)
        else:
            self._inbox.basic_clients.found(request.key, is_live=request.kind == "change")

    def _take_stored(self, request: Request, status: str, news: News) -> None:
        """Apply what the hash contains after our request."""
        self._inbox.versions.note(news.version, news.horizon, news.version)
        if status in {"done", "repeat"} and news.version:
            self._written(request.key, news.version)
        circuit = self._inbox.registry.get(request.key)
        if circuit is not None and news.version:
            is_ours = status == "done" or (
                status == "repeat" and news.writer == self._inbox.instance
            )
            if is_ours and request.proposal is not None and request.kind != "restore":
                with circuit.changing() as (core, now):
                    core.membership.confirm(request.proposal, news, now)
            else:
                # What was refused for building on something older may build on this.
                is_on_this = request.proposal is None or (
                    (request.proposal.version, request.proposal.writer)
                    == (news.version, news.writer)
                )
                with circuit.changing() as (core, now):
                    is_refused = status == "refused" and is_on_this
                    core.membership.adopt(news, now, refused=is_refused)
            self._taken(circuit)  # what happened here meanwhile builds on it
        if request.kind == "change":
            self._proposed.pop(request.key, None)
