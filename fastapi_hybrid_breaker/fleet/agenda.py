"""What this process has to say to the fleet: errands become requests, answers become news.

No I/O: the lane sends what ``take`` gives and brings the answers back.
"""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.versions import is_newer

from .answers import parse_reply, parse_time
from .circuit_requests import CircuitRequests
from .commands import Commands
from .connection import is_wrong_type
from .errand import Errand, Kind, Request, Reset, resolve
from .first_use import FirstUse
from .gathering import Gathering
from .heartbeat import Heartbeat
from .index import Index
from .leases import Leases
from .messages import parse_hash
from .overrides import KINDS, Overrides
from .rereading import Rereading
from .values import MalformedError
from .votes import Votes
from .walks import Walks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from fastapi_hybrid_breaker.calls.circuit_object import Circuit
    from fastapi_hybrid_breaker.core.news import Proposal
    from fastapi_hybrid_breaker.core.override import OverrideView

    from .answers import Reply
    from .errands import Errands
    from .knowledge import Knowledge
    from .names import Names
    from .part import Part
    from .shared_state import SharedState

_UNTIMED: Final[frozenset[Kind]] = frozenset({"report", "confirm", "lease", "index_write"})
"""Requests whose answers say nothing by the server's clock."""

_TIME_EVERY: Final = 10.0
"""Seconds after which the server is asked for the time with them as well."""

_LEAST: Final = 5
"""Requests that each part may make at least, however many the others have made: none starves."""


class Agenda:
    """Turns errands into requests and their answers into what the circuits know."""

    def __init__(
        self,
        knowledge: Knowledge,
        names: Names,
        *,
        most_in_index: int,
        report_every: float,
        random: Random,
    ) -> None:
        self._knowledge = knowledge
        self._commands = Commands(names, knowledge.instance, knowledge.versions.newest)
        self._timed_at = float("-inf")
        self._index = Index(
            names.index,
            most_in_index,
            knowledge.dropped,
            self._indexed,
            knowledge.versions.horizon,
        )
        self._circuits = CircuitRequests(
            knowledge, self._commands, written=self._index.note, taken=self._taken
        )
        self._walks = Walks()
        self.overrides: Overrides = Overrides(knowledge, self._commands, self._walks)
        self.gathering: Gathering = Gathering(knowledge, names, every=report_every, random=random)
        self.first_use: FirstUse = FirstUse(knowledge, names, self.gathering)
        self.votes: Votes = Votes(knowledge, names, changed=self.changed)
        self.leases: Leases = Leases(knowledge, names, random=random)
        self.rereading: Rereading = Rereading(
            knowledge,
            self._walks,
            index=self._index,
            overrides=self.overrides,
            votes=self.votes,
            changed=self.changed,
            random=random,
        )
        self.heartbeat: Heartbeat = Heartbeat(
            knowledge, names, random=random, forgotten=self.rereading.read_known
        )
        self._parts: tuple[Part, ...] = (
            self._index,
            self.overrides,
            self.gathering,
            self.first_use,
            self.votes,
            self.leases,
            self.heartbeat,
        )
        knowledge.gathering, knowledge.leases = self.gathering, self.leases
        knowledge.heartbeat, knowledge.first_use = self.heartbeat, self.first_use

    @property
    def _errands(self) -> Errands:
        return self._knowledge.errands

    # -- in ---------------------------------------------------------------------------------

    def changed(self, circuit: Circuit, rejected: int | None = None) -> None:
        """Propose a circuit's new state, if it is one that the fleet has not seen.

        ``rejected``: how many calls had been rejected when it changed; None: it did just now.
        """
        rejected = circuit.rejected if rejected is None else rejected
        if circuit.core.membership.unsynced:
            self._errands.want(circuit.key, "change", must=True)
        self.leases.changed(circuit, rejected)
        self.heartbeat.troubles.changed(circuit, rejected)

    def stirred(self, circuit: Circuit, rejected: int | None = None) -> None:
        """Look at what calls have made of a circuit; ``rejected`` is as in ``changed``."""
        self.gathering.stirred(circuit)
        self.votes.stirred(circuit)
        self.leases.stirred(circuit, circuit.rejected if rejected is None else rejected)

    def read(self, key: str, made_at: float | None = None) -> None:
        """Read the hash of a circuit that was made here, and take in what it says.

        ``made_at`` is in monotonic seconds; None: just now.
        """
        unread = self._knowledge.learning.unread
        unread[key] = self._knowledge.clock() if made_at is None else made_at
        if not self._errands.want(key, "read"):
            unread.pop(key, None)
        circuit = self._knowledge.registry.get(key)
        is_overridden = circuit is not None and circuit.core.override.current is not None
        if is_overridden or self._knowledge.lacks_overrides:
            self._errands.want(key, "read_override")  # it may have ended meanwhile

    def peek(self, key: str) -> Future[SharedState | None]:
        """Read a circuit's hash only to show it; the future gets what it says."""
        answer: Future[SharedState | None] = Future()
        if not self._errands.edit(key, lambda errand: errand.waiting.append(answer)):
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
        self._knowledge.orders.note(key, "reset", reset.operation)
        self._errands.edit(key, lambda errand: errand.add_reset(reset), must=True)
        return answer

    def read_all(self) -> None:
        """Read everything: after each subscription, since messages were missed before it."""
        self._knowledge.server_clock.forget()
        self._timed_at = float("-inf")
        self._knowledge.learning.subscribed()
        self.heartbeat.beat()
        self.rereading.read_all()

    def repair(self) -> None:
        """Read again what is likely to have been missed; see ``Rereading``."""
        self.rereading.repair()

    def leave(self) -> None:
        """Tell the fleet that this process ends, and with it what it decided for itself."""
        self._walks.end()
        self.votes.leave()
        self.heartbeat.leave()

    # -- out --------------------------------------------------------------------------------

    def take(self, most: int) -> list[Request]:
        """Return what to send next, about ``most`` requests; empty when there is nothing.

        That is one piece of work, between two turns of others on the event loop: so walks over
        all circuits go on by as many, and then it may be empty although more is to come.
        """
        contain = self._knowledge.contain
        with contain("what is due"):
            self.overrides.end(most)
            self._knowledge.basic_clients.reassertions.take_due(most)
        with contain("a walk over circuits"):
            self._walks.go_on(max(_LEAST, most - self._errands.ready))
        requests: list[Request] = []
        for kind, key, errand in self._errands.take(self._knowledge.clock(), most):
            with contain(f"a request ({kind})"):
                request = self._request(kind, key, errand)
                if request is not None:
                    requests.append(request)
        now = self._knowledge.clock()
        for part in self._parts:
            with contain(f"requests of {type(part).__name__}"):
                # One by one: what one of them raises, those before it have nothing to do with.
                for each in part.take(now, max(_LEAST, most - len(requests))):
                    requests.append(each)  # noqa: PERF402
        is_timed = now - self._timed_at < _TIME_EVERY
        if requests and not (is_timed and all(one.kind in _UNTIMED for one in requests)):
            requests.insert(0, Request("time", "", ("TIME",)))
        return requests

    def is_idle(self) -> bool:
        """Whether there is nothing to send now; what becomes due later does not matter."""
        due = self.next_due()
        return len(self._errands) == 0 and (due is None or due > self._knowledge.clock())

    def next_due(self) -> float | None:
        """Return when ``take`` has something: 0.0: now; monotonic seconds; None: not foreseen."""
        dues = [
            self._errands.next_due(),
            self._knowledge.basic_clients.reassertions.next_due(),
            self._walks.next_due(),
            *(part.next_due() for part in self._parts),
        ]
        return min((due for due in dues if due is not None), default=None)

    def _request(self, kind: Kind, key: str, errand: Errand) -> Request | None:
        """Return the request for one thing to do; None: it is not needed any more."""
        if kind in KINDS:
            return self.overrides.request(key, errand, kind)
        return self._circuits.request(kind, key, errand)

    def put_back(self, requests: Sequence[Request]) -> None:
        """Queue again what was sent without an answer; the operation ids make that harmless."""
        for request in requests:
            if request.part is not None:
                request.part.put_back(request)
            elif request.kind != "time":
                self._errands.edit(
                    request.key, partial(Errand.put_back, request=request), must=True
                )

    # -- answers ----------------------------------------------------------------------------

    def answered(
        self, requests: Sequence[Request], answers: Sequence[Any], sent: float, received: float
    ) -> None:
        """Apply the answers, each by itself; ``sent`` and ``received`` are monotonic seconds."""
        self._knowledge.note_round_trip(received - sent)
        for request, answer in zip(requests, answers, strict=True):
            with self._knowledge.contain(f"an answer ({request.kind})"):
                try:
                    if request.kind == "time":
                        self._timed_at = received
                        self._knowledge.server_clock.sample(sent, received, parse_time(answer))
                        self._knowledge.learning.take_time(self._knowledge.server_now())
                    else:
                        self._take(request, answer)
                except MalformedError as error:
                    self._knowledge.dropped.warn(str(error))
                finally:
                    if request.kind == "read":  # also where what was read is none
                        self._knowledge.learning.unread.pop(request.key, None)
                    for waiting in request.waiting:  # nobody waits any more who has an answer
                        resolve(waiting, None)

    def _take(self, request: Request, answer: Any) -> None:
        kind = request.kind
        if kind not in {"index_read", "overridden_read"}:
            _refuse_wrong_type(answer)
        if request.part is not None:
            request.part.answered(request, answer)
        elif kind == "read":
            self._take_hash(request, answer)
        elif kind == "read_override":
            self.overrides.take_register(request.key, answer)
        else:
            self._take_reply(request, parse_reply(answer))

    def _take_hash(self, request: Request, answer: Any) -> None:
        try:
            heard = parse_hash(answer)
        except MalformedError as error:  # as good as none: who knows better writes it back
            self._knowledge.dropped.warn(str(error))
            heard = None
        if request.is_news:
            self._knowledge.found(request.key, heard, is_live=request.is_live)
        for waiting in request.waiting:
            resolve(waiting, heard)

    def _indexed(self, key: str, version: int) -> None:
        circuit = self._knowledge.registry.get(key)
        horizon = self._knowledge.versions.horizon()
        known = 0 if circuit is None else circuit.core.membership.version
        self._knowledge.versions.warn_of_far(version, horizon, known)
        # Beyond the horizon it says nothing of the version that stands in the hash.
        if version > horizon or is_newer((version, ""), (known, ""), horizon):
            self._errands.want(key, "read")

    def _take_reply(self, request: Request, reply: Reply) -> None:
        if reply.override is not None:
            self._knowledge.follow_override(
                request.key, reply.override, reply.server_time, make=False
            )
        if request.kind in KINDS:
            self.overrides.take_reply(request, reply)
        self._circuits.answered(request, reply)

    def _taken(self, circuit: Circuit) -> None:
        self.changed(circuit)
        self.stirred(circuit)


def _refuse_wrong_type(answer: object) -> None:
    if is_wrong_type(answer):
        raise MalformedError("something that is no hash under a circuit's name")
