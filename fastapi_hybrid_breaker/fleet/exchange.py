"""What this process has to say to the fleet: work items become requests, answers become news.

No I/O: the sender sends what ``take`` gives and brings the answers back.
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
from .evidence_merger import EvidenceMerger
from .first_use import FirstUse
from .heartbeat import Heartbeat
from .index import Index
from .leases import Leases
from .messages import parse_hash
from .overrides import KINDS, Overrides
from .quorum_votes import QuorumVotes
from .rereading import Rereading
from .values import MalformedError
from .walks import Walks
from .work_item import Kind, Request, Reset, WorkItem, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.core.news import Proposal
    from fastapi_hybrid_breaker.core.override import OverrideView

    from .answers import Reply
    from .inbox import Inbox
    from .names import Names
    from .shared_state import SharedState
    from .topic import Topic
    from .work_queue import WorkQueue

_UNTIMED: Final[frozenset[Kind]] = frozenset({"report", "confirm", "lease", "index_write"})
"""Requests whose answers say nothing by the server's clock."""

_TIME_EVERY: Final = 10.0
"""Seconds after which the server is asked for the time with them as well."""

_LEAST: Final = 5
"""Requests that each part may make at least, however many the others have made: none starves."""


class Exchange:
    """Turns work items into requests and their answers into what the circuits know."""

    def __init__(
        self,
        inbox: Inbox,
        names: Names,
        *,
        most_in_index: int,
        report_every: float,
        random: Random,
    ) -> None:
        self._inbox = inbox
        self._commands = Commands(names, inbox.instance, inbox.versions.newest)
        self._timed_at = float("-inf")
        self._index = Index(
            names.index,
            most_in_index,
            inbox.dropped,
            self._indexed,
            inbox.versions.horizon,
        )
        self._circuits = CircuitRequests(
            inbox, self._commands, written=self._index.note, taken=self._taken
        )
        self._walks = Walks()
        self.overrides: Overrides = Overrides(inbox, self._commands, self._walks)
        self.merger: EvidenceMerger = EvidenceMerger(
            inbox, names, every=report_every, random=random
        )
        self.first_use: FirstUse = FirstUse(inbox, names, self.merger)
        self.votes: QuorumVotes = QuorumVotes(inbox, names, changed=self.changed)
        self.leases: Leases = Leases(inbox, names, random=random)
        self.rereading: Rereading = Rereading(
            inbox,
            self._walks,
            index=self._index,
            overrides=self.overrides,
            votes=self.votes,
            changed=self.changed,
            random=random,
        )
        self.heartbeat: Heartbeat = Heartbeat(
            inbox, names, random=random, forgotten=self.rereading.read_known
        )
        self._topics: tuple[Topic, ...] = (
            self._index,
            self.overrides,
            self.merger,
            self.first_use,
            self.votes,
            self.leases,
            self.heartbeat,
        )
        inbox.merger, inbox.leases = self.merger, self.leases
        inbox.heartbeat, inbox.first_use = self.heartbeat, self.first_use

    @property
    def _work(self) -> WorkQueue:
        return self._inbox.work

    # -- in ---------------------------------------------------------------------------------

    def changed(self, circuit: Circuit, rejected: int | None = None) -> None:
        """Propose a circuit's new state, if it is one that the fleet has not seen.

        ``rejected``: how many calls had been rejected when it changed; None: it did just now.
        """
        rejected = circuit.rejected if rejected is None else rejected
        if circuit.core.membership.unsynced:
            self._work.want(circuit.key, "change", must=True)
        self.leases.changed(circuit, rejected)
        self.heartbeat.troubles.changed(circuit, rejected)

    def touched(self, circuit: Circuit, rejected: int | None = None) -> None:
        """Look at what calls have made of a circuit; ``rejected`` is as in ``changed``."""
        self.merger.touched(circuit)
        self.votes.touched(circuit)
        self.leases.touched(circuit, circuit.rejected if rejected is None else rejected)

    def read(self, key: str, made_at: float | None = None) -> None:
        """Read the hash of a circuit that was made here, and take in what it says.

        ``made_at`` is in monotonic seconds; None: just now.
        """
        unread = self._inbox.learning.unread
        unread[key] = self._inbox.clock() if made_at is None else made_at
        if not self._work.want(key, "read"):
            unread.pop(key, None)
        circuit = self._inbox.registry.get(key)
        is_overridden = circuit is not None and circuit.core.override.current is not None
        if is_overridden or self._inbox.lacks_overrides:
            self._work.want(key, "read_override")  # it may have ended meanwhile

    def peek(self, key: str) -> Future[SharedState | None]:
        """Read a circuit's hash only to show it; the future gets what it says."""
        answer: Future[SharedState | None] = Future()
        if not self._work.edit(key, lambda item: item.waiting.append(answer)):
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
        self._inbox.orders.note(key, "reset", reset.operation)
        self._work.edit(key, lambda item: item.add_reset(reset), must=True)
        return answer

    def read_all(self) -> None:
        """Read everything: after each subscription, since messages were missed before it."""
        self._inbox.server_clock.forget()
        self._timed_at = float("-inf")
        self._inbox.learning.subscribed()
        self.heartbeat.beat()
        self.rereading.read_all()

    def repair(self) -> None:
        """Read again what is likely to have been missed; see ``Rereading``."""
        self.rereading.repair()

    def leave(self) -> None:
        """Report that this process ends, and with it what it decided for itself."""
        self._walks.end()
        self.votes.leave()
        self.heartbeat.leave()

    # -- out --------------------------------------------------------------------------------

    def take(self, most: int) -> list[Request]:
        """Return what to send next, about ``most`` requests; empty when there is nothing.

        That is one piece of work, between two turns of others on the event loop: so walks over
        all circuits go on by as many, and then it may be empty although more is to come.
        """
        contain = self._inbox.contain
        with contain("what is due"):
            self.overrides.end(most)
            self._inbox.basic_clients.reassertions.take_due(most)
        with contain("a walk over circuits"):
            self._walks.go_on(max(_LEAST, most - self._work.ready))
        requests: list[Request] = []
        for kind, key, item in self._work.take(self._inbox.clock(), most):
            with contain(f"a request ({kind})"):
                request = self._request(kind, key, item)
                if request is not None:
                    requests.append(request)
        now = self._inbox.clock()
        for topic in self._topics:
            with contain(f"requests of {type(topic).__name__}"):
                # One by one: what one of them raises, those before it have nothing to do with.
                for each in topic.take(now, max(_LEAST, most - len(requests))):
                    requests.append(each)  # noqa: PERF402
        is_timed = now - self._timed_at < _TIME_EVERY
        if requests and not (is_timed and all(one.kind in _UNTIMED for one in requests)):
            requests.insert(0, Request("time", "", ("TIME",)))
        return requests

    def is_idle(self) -> bool:
        """Whether there is nothing to send now; what becomes due later does not matter."""
        due = self.next_due()
        return len(self._work) == 0 and (due is None or due > self._inbox.clock())

    def next_due(self) -> float | None:
        """Return when ``take`` has something: 0.0: now; monotonic seconds; None: not foreseen."""
        dues = [
            self._work.next_due(),
            self._inbox.basic_clients.reassertions.next_due(),
            self._walks.next_due(),
            *(topic.next_due() for topic in self._topics),
        ]
        return min((due for due in dues if due is not None), default=None)

    def _request(self, kind: Kind, key: str, item: WorkItem) -> Request | None:
        """Return the request for one thing to do; None: it is not needed any more."""
        if kind in KINDS:
            return self.overrides.request(key, item, kind)
        return self._circuits.request(kind, key, item)

    def put_back(self, requests: Sequence[Request]) -> None:
        """Queue again what was sent without an answer; the operation ids make that harmless."""
        for request in requests:
            if request.topic is not None:
                request.topic.put_back(request)
            elif request.kind != "time":
                self._work.edit(request.key, partial(WorkItem.put_back, request=request), must=True)

    # -- answers ----------------------------------------------------------------------------

    def answered(
        self, requests: Sequence[Request], answers: Sequence[Any], sent: float, received: float
    ) -> None:
        """Apply the answers, each by itself; ``sent`` and ``received`` are monotonic seconds."""
        self._inbox.note_round_trip(received - sent)
        for request, answer in zip(requests, answers, strict=True):
            with self._inbox.contain(f"an answer ({request.kind})"):
                try:
                    if request.kind == "time":
                        self._timed_at = received
                        self._inbox.server_clock.sample(sent, received, parse_time(answer))
                        self._inbox.learning.take_time(self._inbox.server_now())
                    else:
                        self._take(request, answer)
                except MalformedError as error:
                    self._inbox.dropped.warn(str(error))
                finally:
                    if request.kind == "read":  # also where what was read is none
                        self._inbox.learning.unread.pop(request.key, None)
                    for waiting in request.waiting:  # nobody waits any more who has an answer
                        resolve(waiting, None)

    def _take(self, request: Request, answer: Any) -> None:
        kind = request.kind
        if kind not in {"index_read", "overridden_read"}:
            _refuse_wrong_type(answer)
        if request.topic is not None:
            request.topic.answered(request, answer)
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
            self._inbox.dropped.warn(str(error))
            heard = None
        if request.is_news:
            self._inbox.found(request.key, heard, is_live=request.is_live)
        for waiting in request.waiting:
            resolve(waiting, heard)

    def _indexed(self, key: str, version: int) -> None:
        circuit = self._inbox.registry.get(key)
        horizon = self._inbox.versions.horizon()
        known = 0 if circuit is None else circuit.core.membership.version
        self._inbox.versions.warn_of_far(version, horizon, known)
        # Beyond the horizon it says nothing of the version that stands in the hash.
        if version > horizon or is_newer((version, ""), (known, ""), horizon):
            self._work.want(key, "read")

    def _take_reply(self, request: Request, reply: Reply) -> None:
        if reply.override is not None:
            self._inbox.follow_override(request.key, reply.override, reply.server_time, make=False)
        if request.kind in KINDS:
            self.overrides.take_reply(request, reply)
        self._circuits.answered(request, reply)

    def _taken(self, circuit: Circuit) -> None:
        self.changed(circuit)
        self.touched(circuit)


def _refuse_wrong_type(answer: object) -> None:
    if is_wrong_type(answer):
        raise MalformedError("something that is no hash under a circuit's name")
