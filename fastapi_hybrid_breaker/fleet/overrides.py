"""Operators' overrides on their way to the fleet and back: the exchange's part for them. No I/O."""

from __future__ import annotations

from concurrent.futures import Future
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.keys import is_key
from fastapi_hybrid_breaker.core.states import Cause
from fastapi_hybrid_breaker.core.versions import NO_HORIZON, is_newer

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
    from .own_instance import OwnInstance
    from .walks import Walks
    from .work_item import Kind


_END_JITTER: Final = 0.1
"""Seconds at most after the end of an override before it is shown, so that one instance does it."""


class Overrides:
    """Sends what operators order; keeps the register right, and what basic-format clients see.

    The set of overridden keys is how a process that starts finds them all. As the index it is
    written after the register, and repaired by whoever knows an override.
    """

    plans: tuple[str, ...] = ("overridden", "end")
    kinds: tuple[Kind, ...] = ("read_override", "overridden_read", "overridden_write")

    def __init__(self, own: OwnInstance, commands: Commands, walks: Walks) -> None:
        self._own = own
        self._walks = walks
        self._commands = commands
        self._members: dict[str, bool] = {}  # to be written: is it overridden?
        self._is_reading = False
        self.lacks_some: bool = False
        """Of circuits without room: they are read when such a circuit is used first."""

    # -- in ---------------------------------------------------------------------------------

    def order(self, key: str, override: Override | None, by: str, reason: str = "") -> Future[None]:
        """Set or clear an override in the fleet; the future is done when it is."""
        answer: Future[None] = Future()
        order = OverrideOrder(self._commands.new_operation(), override, by, reason, [answer])
        self._own.work.operations.note(key, "override", order.operation)
        self._own.work.edit(key, lambda item: item.add_override(order), must=True)
        if override is not None and override.deadline is not None:
            self.note_end(key, override.deadline)
        return answer

    def read_all(self) -> None:
        """Read which circuits have one, and then the override of each."""
        self._is_reading = True
        self._own.schedule.note("overridden", "", 0.0)

    def look_at(self, circuit: Circuit, *, is_repair: bool) -> None:
        """Read the override of a circuit that is known to have one.

        ``is_repair``: and list it in the set of all, and show the effective state in the hash.
        """
        if circuit._core.override.current is None:
            return
        self._own.work.want(circuit.key, "read_override", must=True)
        if is_repair:
            self._list(circuit.key, is_overridden=True)
            self._own.work.want(circuit.key, "show", must=True)

    def _end(self, key: str) -> None:
        """End what is over, and have the basic fields show it."""
        circuit = self._own.registry.get(key)
        if circuit is not None:
            with circuit._change():
                pass  # what has expired ends
        self._own.work.want(key, "show", must=True)

    def _list(self, key: str, *, is_overridden: bool) -> None:
        """List a circuit among those with an override, or take it off."""
        self._members[key] = is_overridden
        self._own.schedule.note("overridden", "", 0.0)

    def received(self, key: str, heard: SharedOverride) -> None:
        """Apply what a message says of an override.

        It is read instead as long as the order of versions is not certain: before the server's
        time is known, and where what is known here is newer, for the server's clock may have been
        set back.
        """
        circuit, horizon = self._own.registry.get(key), self._own.server.horizon()
        slot = None if circuit is None else circuit._core.override
        ours = (0, "") if slot is None else (slot.version, slot.writer)
        if horizon == NO_HORIZON or is_newer(ours, (heard.version, heard.writer), horizon):
            self._own.work.want(key, "read_override")
        else:
            self.follow(key, heard, self._own.server.now(), make=False)

    def follow(
        self, key: str, heard: SharedOverride, server_now: float | None, *, make: bool
    ) -> None:
        """Apply what the register says of a circuit's override.

        ``make``: it was read just now, and may be about a circuit that is not known here. From
        a message alone such a circuit is never made.
        """
        news = heard.news(server_now)
        circuit = self._own.registry.get(key)
        if news is not None:
            known = circuit._core.override.version if circuit else 0
            self._own.server.note(heard.version, news.horizon, known)
        if circuit is not None and heard.has_lost_mode_of(circuit._core):
            self._own.work.want(key, "restore_override", must=True)
            return
        # What a message is about is hardly over: rather is the server's clock not what we think.
        is_in_doubt = not make and news is not None and news.override is None and heard.kind
        if news is None or is_in_doubt or (circuit is None and not make):
            self._own.work.want(key, "read_override")
            return
        if circuit is None and news.override is not None:
            circuit = self._own.registry.hear_of(key)
        if circuit is None:
            if not self._own.registry.held.follow(key, news):
                self._own.faults.dropped.warn("an override for which there is no room")
                self.lacks_some = True
            return
        with circuit._change() as (core, now):
            core.adopt_override(news, now)
        override = circuit._core.override.current
        if override is not None and override.deadline is not None:
            self.note_end(key, override.deadline)

    def note_end(self, key: str, deadline: float) -> None:
        """Record when an override ends; thanks to the jitter, one instance shows it to all."""
        self._own.schedule.drop("end", key)
        due = deadline + self._own.random.uniform(0, _END_JITTER)
        self._own.schedule.note("end", key, due)

    # -- out --------------------------------------------------------------------------------

    def request(self, kind: Kind, key: str, item: WorkItem) -> Request | None:
        """Return the request for one thing to do; None: it is not needed any more."""
        if kind == "read_override":
            return Request("read_override", key, self._commands.read_override(key))
        if kind == "show":
            return Request("show", key, self._show_command(key))
        now = self._own.clock()
        if kind == "override" and item.override is not None:
            order = item.override
            view = None if order.override is None else order.override.view(now)
            command = self._commands.override(
                "override", key, order.operation, view, by=order.by, reason=order.reason
            )
            return Request("override", key, command, override=order)
        circuit = self._own.registry.get(key)
        if circuit is None or not circuit._core.override.version:
            return None
        core = circuit._core
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
        circuit = self._own.registry.get(key)
        if circuit is None or circuit._core.override.current is not None:
            return self._commands.script("show", key)
        core = circuit._core
        ended = based_on(core.override.version, core.override.writer)
        return self._commands.script("show", key, proposal=ended)

    def due(self, kind: str, key: str, now: float) -> Iterable[Request]:  # noqa: ARG002 - at once
        """End an override, or return the requests about the set of overridden keys."""
        if kind == "end":
            self._end(key)
            return
        members = dict(islice(self._members.items(), PAGE))
        for one in members:
            del self._members[one]
        if self._members:
            self._own.schedule.note("overridden", "", 0.0)
        for wanted in (True, False):
            keys = {one: 0 for one, is_overridden in members.items() if is_overridden is wanted}
            if keys:
                command = self._commands.overridden(keys, wanted=wanted)
                yield Request("overridden_write", "", command, versions=keys)
        if self._is_reading:
            self._is_reading = False
            yield Request("overridden_read", "", ("SMEMBERS", self._own.names.overridden))

    def put_back(self, request: Request) -> None:
        """Queue again what was sent without an answer."""
        if request.kind == "read_override":
            self._own.work.put_back(request)
            return
        if request.kind == "overridden_read":
            self._is_reading = True
        else:
            added = request.command[0] == "SADD"
            self._members = dict.fromkeys(request.versions, added) | self._members
        self._own.schedule.note("overridden", "", 0.0)

    # -- answers ----------------------------------------------------------------------------

    def answered(self, request: Request, answer: Any) -> None:
        """Apply the answer to a request about one circuit, or read those that are in the set.

        Raises:
            MalformedError: it is no answer to such a question.
        """
        if request.kind == "overridden_read":
            self._walks.begin("overridden", parse_members(answer), self._read)
        elif request.kind == "read_override":
            self._take_register(request.key, answer)

    def _read(self, key: str) -> None:
        if not is_key(key):
            self._own.faults.dropped.warn("an overridden circuit whose key names none")
        else:
            self._own.work.want(key, "read_override")

    def _take_register(self, key: str, answer: Any) -> None:
        """Apply what the register says of a circuit; None: nothing."""
        circuit = self._own.registry.get(key)
        ours = (0, "")
        if circuit is not None:
            ours = (circuit._core.override.version, circuit._core.override.writer)
        is_overridden = circuit is not None and circuit._core.override.current is not None
        heard = self._read_register(answer)
        if heard is not None:
            self.follow(key, heard, self._own.server.now(), make=True)
            # Lost writes bring back what was replaced, or cleared, since.
            is_old = is_newer(ours, (heard.version, heard.writer), self._own.server.horizon())
            has_lost = is_old and (is_overridden or heard.kind is not None)
        else:
            has_lost = is_overridden and ours[0] > 0
            if not has_lost and key not in self._members:
                self._list(key, is_overridden=False)
        if has_lost:
            self._own.work.want(key, "restore_override", must=True)

    def _read_register(self, answer: Any) -> SharedOverride | None:
        """Return what the register says; None: nothing, or nothing that can be read."""
        if not isinstance(answer, bytes):
            return None
        try:
            return SharedOverride.read_register(as_text(answer))
        except MalformedError as error:
            self._own.faults.dropped.warn(str(error))
            return None

    def take_reply(self, request: Request, reply: Reply) -> None:
        """Apply what an answer of ``circuit.lua`` says of the register."""
        if reply.override is not None:
            self.follow(request.key, reply.override, reply.server_time, make=False)
            if request.kind in {"override", "restore_override"}:
                self._list(request.key, is_overridden=reply.override.kind is not None)
        if request.override is not None:
            self._own.work.operations.taken(request.key, "override", request.override.operation)
            for waiting in request.override.waiting:
                resolve(waiting, None)


def _who_cleared(circuit: Circuit) -> tuple[str, str]:
    """Return who ended the last override, and why, as far as it is remembered."""
    for change in reversed(circuit.history()):
        if change.cause is Cause.OVERRIDE_ENDED:
            return change.evidence.by, change.evidence.reason
    return "", ""
