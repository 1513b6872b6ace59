"""Requests about the state of one circuit, and what their answers change. No I/O."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .answers import parse_reply
from .commands import UNKNOWN
from .messages import parse_hash
from .values import MalformedError
from .work_item import Request, Reset, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.core.news import News, Proposal
    from fastapi_hybrid_breaker.core.override import OverrideView

    from .commands import Commands
    from .inbox import Inbox
    from .overrides import Overrides
    from .own_instance import OwnInstance
    from .shared_state import SharedState
    from .work_item import Kind, WorkItem


class CircuitRequests:
    """Makes the requests that read, change, reset or restore a circuit's state.

    Args:
        own: this instance.
        commands: makes the commands.
        overrides: those of the same circuits, which answers tell of as well.
        inbox: takes in what a hash says.
        written: called with key and version of each state that the server has stored for us.
        compared: called with each circuit whose state was compared with the server's.
    """

    kinds: tuple[Kind, ...] = (
        "read",
        "reset",
        "change",
        "plain",
        "restore",
        "override",
        "restore_override",
        "show",
    )

    def __init__(
        self,
        own: OwnInstance,
        commands: Commands,
        overrides: Overrides,
        inbox: Inbox,
        *,
        written: Callable[[str, int], object],
        compared: Callable[[Circuit], object],
    ) -> None:
        self._own = own
        self._commands = commands
        self._overrides = overrides
        self._inbox = inbox
        self._written = written
        self._compared = compared
        self._proposed: dict[str, tuple[Proposal, str]] = {}  # by key, with the operation

    def peek(self, key: str) -> Future[SharedState | None]:
        """Read a circuit's hash only to show it; the future gets what it says."""
        answer: Future[SharedState | None] = Future()
        if not self._own.work.edit(key, lambda item: item.waiting.append(answer)):
            answer.set_result(None)
        return answer

    def reset(
        self,
        key: str,
        proposal: Proposal | None,
        by: str = "",
        reason: str = "",
        *,
        ramp: bool = False,
    ) -> Future[OverrideView | None]:
        """Reset a circuit in the fleet; the future gets the override that stays in force there."""
        answer: Future[OverrideView | None] = Future()
        reset = Reset(self._commands.new_operation(), proposal, by, reason, ramp, [answer])
        self._own.work.operations.note(key, "reset", reset.operation)
        self._own.work.edit(key, lambda item: item.add_reset(reset), must=True)
        return answer

    def request(self, kind: Kind, key: str, item: WorkItem) -> Request | None:
        """Return the request for one thing to do; None: it has become needless."""
        if kind in {"override", "restore_override", "show", "read_override"}:
            return self._overrides.request(kind, key, item)
        if kind == "read":
            return Request(
                "read",
                key,
                self._commands.read(key),
                is_applied=item.read,
                is_live=item.is_live,
                waiting=item.waiting,
            )
        if item.reset is not None:
            return self._reset_request(key, item.reset)
        if item.basic is not None:
            timeout = self._own.registry.config_for(key).recovery_timeout
            command = self._commands.adopt_basic(key, item.basic, timeout)
            return Request("plain", key, command, basic=item.basic)
        circuit = self._own.registry.get(key)
        if circuit is None:
            return None
        return self._change_request(circuit) if kind == "change" else self._restore_request(circuit)

    def put_back(self, request: Request) -> None:
        """Queue again what was sent without an answer; the operation ids make that harmless."""
        self._own.work.put_back(request)

    def _change_request(self, circuit: Circuit) -> Request | None:
        with circuit._hold() as core:
            proposal = core.membership.propose(circuit._clock())
        if proposal is None:
            return None
        before, operation = self._proposed.get(circuit.key, (None, ""))
        if before is None or not before.is_of_change(proposal):
            operation = self._commands.new_operation()
            self._proposed[circuit.key] = (proposal, operation)
        command = self._commands.script("change", circuit.key, operation, proposal)
        return Request("change", circuit.key, command, proposal)

    def _restore_request(self, circuit: Circuit) -> Request | None:
        with circuit._hold() as core:
            ours = core.membership.describe(circuit._clock())
        if circuit._core.membership.unsynced or circuit.config.scope != "fleet" or not ours.version:
            return None  # a change of our own says it all, and who decides alone knows nothing else
        if circuit._core.membership.local_only:  # what it departed from, for itself, was CLOSED
            ours = replace(UNKNOWN, version=ours.version, writer=ours.writer)
        command = self._commands.script("restore", circuit.key, proposal=ours)
        return Request("restore", circuit.key, command, ours)

    def _reset_request(self, key: str, reset: Reset) -> Request:
        circuit = self._own.registry.get(key)
        proposal = reset.proposal
        if circuit is not None and proposal is not None:
            # As it was decided, on top of what has been heard by now.
            with circuit._hold() as core:
                ours = core.membership.describe(circuit._clock())
            proposal = replace(proposal, version=ours.version, writer=ours.writer)
        command = self._commands.reset(
            key, reset.operation, by=reset.by, reason=reset.reason, ramp=reset.ramp
        )
        return Request("reset", key, command, proposal, reset=reset)

    def answered(self, request: Request, answer: Any) -> None:
        """Apply an answer of the script, or what a hash says.

        Raises:
            MalformedError: it is no answer to such a question.
        """
        if request.kind == "read":
            self._take_hash(request, answer)
            return
        reply = parse_reply(answer)
        self._overrides.take_reply(request, reply)
        if reply.status == "foreign":
            self._found_basic(request)
        elif (stored := reply.stored) is not None:
            self._take_stored(request, reply.status, stored.news(reply.server_time))
            if request.reset is not None:
                self._own.work.operations.taken(request.key, "reset", request.reset.operation)
                for waiting in request.reset.waiting:
                    resolve(waiting, reply.effective_override())

    def _take_hash(self, request: Request, answer: Any) -> None:
        try:
            heard = parse_hash(answer)
        except MalformedError as error:  # as good as none: who knows better writes it back
            self._own.faults.dropped.warn(str(error))
            heard = None
        if request.is_applied:
            self._inbox.found(request.key, heard, is_live=request.is_live)
        for waiting in request.waiting:
            resolve(waiting, heard)

    def _found_basic(self, request: Request) -> None:
        """Handle that a client of the basic format has written since our last reading."""
        if request.kind == "show":  # nothing of ours waits for it: treated as any update
            self._own.work.want(request.key, "read", must=True)
        else:
            self._inbox.basic_clients.found(request.key, is_live=request.kind == "change")

    def _take_stored(self, request: Request, status: str, news: News) -> None:
        """Apply what the hash contains after our request."""
        self._own.server.note(news.version, news.horizon, news.version)
        if status in {"done", "repeat"} and news.version:
            self._written(request.key, news.version)
        circuit = self._own.registry.get(request.key)
        if circuit is not None and news.version:
            is_ours = status == "done" or (status == "repeat" and news.writer == self._own.name)
            if is_ours and request.proposal is not None and request.kind != "restore":
                with circuit._change() as (core, now):
                    core.membership.confirm(request.proposal, news, now)
            else:
                # What was refused for building on something older may build on this.
                is_on_this = request.proposal is None or (
                    (request.proposal.version, request.proposal.writer)
                    == (news.version, news.writer)
                )
                with circuit._change() as (core, now):
                    is_refused = status == "refused" and is_on_this
                    core.membership.adopt(news, now, refused=is_refused)
            self._compared(circuit)  # what happened here meanwhile builds on it
        if request.kind == "change":
            self._proposed.pop(request.key, None)
