"""Operators' overrides on their way to the fleet and back: the exchange's part for them. No I/O."""

from __future__ import annotations

from concurrent.futures import Future
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.keys import is_key
from fastapi_hybrid_breaker.core.states import Cause
from fastapi_hybrid_breaker.core.versions import is_newer

from .answers import parse_members
from .commands import based_on
from .index import PAGE
from .shared_override import SharedOverride
from .values import MalformedError, as_text
from .work_item import OverrideOrder, Request, WorkItem, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.core.override import Override

    from .answers import Reply
    from .commands import Commands
    from .inbox import Inbox
    from .walks import Walks


KINDS: Final = frozenset({"override", "restore_override", "show", "read_override"})
"""The work items that ``Overrides.request`` makes requests of."""


class Overrides:
    """Sends what operators order; keeps the register right, and what basic-format clients see.

    The set of overridden keys is how a process that starts finds them all. As the index it is
    written after the register, and repaired by whoever knows an override.
    """

    def __init__(self, inbox: Inbox, commands: Commands, walks: Walks) -> None:
        self._inbox = inbox
        self._walks = walks
        self._commands = commands
        self._name = commands.names.overridden
        self._members: dict[str, bool] = {}  # to be written: is it overridden?
        self._is_reading = False

    # -- in ---------------------------------------------------------------------------------

    def order(self, key: str, override: Override | None, by: str, reason: str = "") -> Future[None]:
        """Set or clear an override in the fleet; the future is done when it is."""
        answer: Future[None] = Future()
        order = OverrideOrder(self._commands.new_operation(), override, by, reason, [answer])
        self._inbox.orders.note(key, "override", order.operation)
        self._inbox.work.edit(key, lambda item: item.add_override(order), must=True)
        if override is not None and override.deadline is not None:
            self._inbox.note_end(key, override.deadline)
        return answer

    def read_all(self) -> None:
        """Read which circuits have one, and then the override of each."""
        self._is_reading = True

    def look_at(self, circuit: Circuit, *, is_repair: bool) -> None:
        """Read the override of a circuit that is known to have one.

        ``is_repair``: and list it in the set of all, and show the effective state in the hash.
        """
        if circuit.core.override.current is None:
            return
        self._inbox.work.want(circuit.key, "read_override", must=True)
        if is_repair:
            self._members[circuit.key] = True
            self._inbox.work.want(circuit.key, "show", must=True)

    def end(self, most: int) -> None:
        """End what is over, so many at most, and have the basic fields show it."""
        for key in self._inbox.ended(most):
            circuit = self._inbox.registry.get(key)
            if circuit is not None:
                with circuit.changing():
                    pass  # what has expired ends
            self._inbox.work.want(key, "show", must=True)

    # -- out --------------------------------------------------------------------------------

    def request(self, key: str, item: WorkItem, kind: str) -> Request | None:
        """Return the request for one of ``KINDS``; None: it is not needed any more."""
        if kind == "read_override":
            return Request("read_override", key, self._commands.read_override(key))
        if kind == "show":
            return Request("show", key, self._show_command(key))
        now = self._inbox.clock()
        if kind == "override" and item.override is not None:
            order = item.override
            view = None if order.override is None else order.override.view(now)
            command = self._commands.override(
                "override", key, order.operation, view, by=order.by, reason=order.reason
            )
            return Request("override", key, command, override=order)
        circuit = self._inbox.registry.get(key)
        if circuit is None or not circuit.core.override.version:
            return None
        core = circuit.core
        by, reason = _who_cleared(circuit)
        command = self._commands.override(
            "restore_override",
            key,
            "-",
            None if core.override.current is None else core.override.current.view(now),
            by=by,
            reason=reason,
            version=core.override.version,
            writer=core.override.writer,
        )
        return Request("restore_override", key, command)

    def _show_command(self, key: str) -> tuple[Any, ...]:
        """Name the override that is over, if it ended here: the server's clock may differ."""
        circuit = self._inbox.registry.get(key)
        if circuit is None or circuit.core.override.current is not None:
            return self._commands.script("show", key)
        core = circuit.core
        ended = based_on(core.override.version, core.override.writer)
        return self._commands.script("show", key, proposal=ended)

    def next_due(self) -> float | None:
        """Return 0.0 if the set is to be read or written, else when the next override ends."""
        return 0.0 if self._is_reading or self._members else self._inbox.next_end()

    def take(self, now: float, most: int) -> Iterable[Request]:  # noqa: ARG002 - few, and at once
        """Return the requests about the set of overridden keys."""
        members = dict(islice(self._members.items(), PAGE))
        for key in members:
            del self._members[key]
        for wanted in (True, False):
            keys = {key: 0 for key, is_overridden in members.items() if is_overridden is wanted}
            if keys:
                command = self._commands.overridden(keys, wanted=wanted)
                yield Request("overridden_write", "", command, versions=keys, topic=self)
        if self._is_reading:
            self._is_reading = False
            yield Request("overridden_read", "", ("SMEMBERS", self._name), topic=self)

    def put_back(self, request: Request) -> None:
        """Queue again what was sent about the set without an answer."""
        if request.kind == "overridden_read":
            self._is_reading = True
        else:
            added = request.command[0] == "SADD"
            self._members = dict.fromkeys(request.versions, added) | self._members

    # -- answers ----------------------------------------------------------------------------

    def answered(self, request: Request, answer: Any) -> None:
        """Read each circuit's override, of those in the set.

        Raises:
            MalformedError: it is no set.
        """
        if request.kind == "overridden_write":
            return
        self._walks.begin("overridden", parse_members(answer), self._read)

    def _read(self, key: str) -> None:
        if not is_key(key):
            self._inbox.dropped.warn("an overridden circuit whose key names none")
        else:
            self._inbox.work.want(key, "read_override")

    def take_register(self, key: str, answer: Any) -> None:
        """Apply what the register says of a circuit; None: nothing."""
        circuit = self._inbox.registry.get(key)
        ours = (0, "")
        if circuit is not None:
            ours = (circuit.core.override.version, circuit.core.override.writer)
        is_overridden = circuit is not None and circuit.core.override.current is not None
        heard = self._read_register(answer)
        if heard is not None:
            inbox = self._inbox
            inbox.follow_override(key, heard, inbox.server_now(), make=True)
            # Lost writes bring back what was replaced, or cleared, since.
            is_old = is_newer(ours, (heard.version, heard.writer), inbox.versions.horizon())
            has_lost = is_old and (is_overridden or heard.kind is not None)
        else:
            has_lost = is_overridden and ours[0] > 0
            if not has_lost:
                self._members.setdefault(key, False)
        if has_lost:
            self._inbox.work.want(key, "restore_override", must=True)

    def _read_register(self, answer: Any) -> SharedOverride | None:
        """Return what the register says; None: nothing, or nothing that can be read."""
        if not isinstance(answer, bytes):
            return None
        try:
            return SharedOverride.read_register(as_text(answer))
        except MalformedError as error:
            self._inbox.dropped.warn(str(error))
            return None

    def take_reply(self, request: Request, reply: Reply) -> None:
        """Apply what the script's answer to one of our requests says of the register."""
        if reply.override is not None and request.kind != "show":
            self._members[request.key] = reply.override.kind is not None
        if request.override is not None:
            self._inbox.orders.taken(request.key, "override", request.override.operation)
            for waiting in request.override.waiting:
                resolve(waiting, None)


def _who_cleared(circuit: Circuit) -> tuple[str, str]:
    """Return who ended the last override, and why, as far as it is remembered."""
    for change in reversed(circuit.history()):
        if change.cause is Cause.OVERRIDE_ENDED:
            return change.evidence.by, change.evidence.reason
    return "", ""
