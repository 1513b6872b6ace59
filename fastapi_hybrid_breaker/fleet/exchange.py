"""Builds the requests to Redis and applies the answers.

No I/O: the sender sends what ``take`` gives and brings the answers back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from fastapi_hybrid_breaker.core.versions import is_newer

from .answers import parse_time
from .basic_format import BasicFormatClients
from .circuit_requests import CircuitRequests
from .commands import Commands
from .connection import is_wrong_type
from .evidence_merger import EvidenceMerger
from .first_use import FirstUse
from .heartbeat import Heartbeat
from .inbox import Inbox
from .index import Index
from .leases import Leases
from .overrides import Overrides
from .quorum_votes import QuorumVotes
from .rereading import Rereading
from .values import MalformedError
from .walks import Walks
from .work_item import Kind, Request, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastapi_hybrid_breaker.circuits.circuit import Circuit

    from .own_instance import OwnInstance

_UNTIMED: Final[frozenset[Kind]] = frozenset({"report", "confirm", "lease", "index_write"})
"""Requests whose answers say nothing by the server's clock."""

_TIME_EVERY: Final = 10.0
"""Seconds after which the server is asked for the time with them as well."""

_LEAST: Final = 5
"""Things that are due which are done at least, however much there is to send: none starves."""


class Planning(Protocol):
    """Plans work in the schedule of this instance, of the kinds ``plans``."""

    plans: tuple[str, ...]

    def due(self, kind: str, key: str, now: float) -> Iterable[Request]:
        """Do what was planned, and return the requests for it."""


class Topic(Protocol):
    """One subject of the exchange, with its ``kinds`` of requests. No I/O: the sender sends."""

    kinds: tuple[Kind, ...]

    def put_back(self, request: Request) -> None:
        """List again what was sent without an answer."""

    def answered(self, request: Request, answer: Any) -> None:
        """Apply the answer to a request of this topic.

        Raises:
            MalformedError: it is malformed.
        """


class Exchange:
    """Turns work items and plans into requests, and their answers into what the circuits know."""

    def __init__(self, own: OwnInstance) -> None:
        self.own: OwnInstance = own
        self._timed_at = float("-inf")
        commands = Commands(own.names, own.name, own.server.newest)
        walks, basic_clients = Walks(own), BasicFormatClients(own)
        index = Index(
            own.names.index,
            own.registry.most,
            own.faults.dropped,
            self._indexed,
            own.server.horizon,
            own.schedule,
        )
        self.overrides: Overrides = Overrides(own, commands, walks)
        self.merger: EvidenceMerger = EvidenceMerger(own, basic_clients)
        first_use = FirstUse(own, self.merger)
        self.votes: QuorumVotes = QuorumVotes(own)
        self.leases: Leases = Leases(own)
        self.rereading: Rereading = Rereading(
            own,
            walks,
            index=index,
            overrides=self.overrides,
            votes=self.votes,
            changed=self.changed,
        )
        self.heartbeat: Heartbeat = Heartbeat(own, self.rereading.read_known)
        self.inbox: Inbox = Inbox(
            own,
            basic_clients=basic_clients,
            merger=self.merger,
            first_use=first_use,
            overrides=self.overrides,
            leases=self.leases,
            heartbeat=self.heartbeat,
        )
        self.circuits: CircuitRequests = CircuitRequests(
            own, commands, self.overrides, self.inbox, written=index.note, compared=self._compared
        )
        topics = (index, first_use, self.overrides, self.merger, self.votes, self.leases)
        planning = (*topics, self.heartbeat, own.work, walks, basic_clients.reassertions)
        self._plans: dict[str, Planning] = {kind: one for one in planning for kind in one.plans}
        self._topics: dict[Kind, Topic] = {
            kind: topic
            for topic in (*topics, self.heartbeat, self.circuits)
            for kind in topic.kinds
        }

    # -- in ---------------------------------------------------------------------------------

    def changed(self, circuit: Circuit, rejected: int | None = None) -> None:
        """Propose a circuit's new state, if it is one that the fleet has not seen.

        ``rejected``: how many calls had been rejected when it changed; None: it did just now.
        """
        rejected = circuit.rejected if rejected is None else rejected
        self.own.work.want_change(circuit)
        self.leases.changed(circuit, rejected)
        self.heartbeat.unhealthy.changed(circuit, rejected)

    def touched(self, circuit: Circuit, rejected: int | None = None) -> None:
        """Look at what calls have made of a circuit; ``rejected`` is as in ``changed``."""
        self.merger.touched(circuit)
        self.votes.touched(circuit)
        self.leases.touched(circuit, circuit.rejected if rejected is None else rejected)

    def read(self, key: str, made_at: float | None = None) -> None:
        """Read the hash of a circuit that was made here, and apply what it says.

        ``made_at`` is in monotonic seconds; None: just now.
        """
        own = self.own
        own.lag.unread[key] = own.clock() if made_at is None else made_at
        if not own.work.want(key, "read"):
            own.lag.unread.pop(key, None)
        circuit = own.registry.get(key)
        is_overridden = circuit is not None and circuit._core.override.current is not None
        if is_overridden or self.overrides.lacks_some:
            own.work.want(key, "read_override")  # it may have ended meanwhile

    def read_all(self) -> None:
        """Read everything: after each subscription, since messages were missed before it."""
        self.own.server.forget_time()
        self._timed_at = float("-inf")
        self.own.lag.subscribed()
        self.heartbeat.beat()
        self.rereading.read_all()

    def leave(self) -> None:
        """Report that this process ends, and with it what it decided for itself."""
        self.rereading.end()
        self.votes.leave()
        self.heartbeat.leave()

    # -- out --------------------------------------------------------------------------------

    def take(self, most: int) -> list[Request]:
        """Return what to send next, about ``most`` requests; empty when there is nothing.

        That is one piece of work, between two turns of others on the event loop: so walks over
        all circuits go on by as many, and then it may be empty although more is to come.
        """
        own, now = self.own, self.own.clock()
        due: list[Request] = []
        for plan, key in own.schedule.take(now, max(_LEAST, most - own.work.ready)):
            with own.faults.contain(f"what is due ({plan})"):
                due += self._plans[plan].due(plan, key, now)
        requests: list[Request] = []
        for kind, key, item in own.work.take(now, most):
            with own.faults.contain(f"a request ({kind})"):
                request = self.circuits.request(kind, key, item)
                if request is not None:
                    requests.append(request)
        requests += due
        is_timed = now - self._timed_at < _TIME_EVERY
        if requests and not (is_timed and all(one.kind in _UNTIMED for one in requests)):
            requests.insert(0, Request("time", "", ("TIME",)))
        return requests

    def is_idle(self) -> bool:
        """Whether there is nothing to send now; what becomes due later does not matter."""
        due = self.next_due()
        return len(self.own.work) == 0 and (due is None or due > self.own.clock())

    def next_due(self) -> float | None:
        """Return when ``take`` has something: 0.0: now; monotonic seconds; None: not foreseen."""
        return 0.0 if self.own.work.ready else self.own.schedule.next_due()

    def put_back(self, requests: Sequence[Request]) -> None:
        """Queue again what was sent without an answer; the operation ids make that harmless."""
        for request in requests:
            if request.kind != "time":
                self._topics[request.kind].put_back(request)

    # -- answers ----------------------------------------------------------------------------

    def answered(
        self, requests: Sequence[Request], answers: Sequence[Any], sent: float, received: float
    ) -> None:
        """Apply the answers, each by itself; ``sent`` and ``received`` are monotonic seconds."""
        own = self.own
        own.server.note_round_trip(received - sent)
        for request, answer in zip(requests, answers, strict=True):
            with own.faults.contain(f"an answer ({request.kind})"):
                try:
                    if request.kind == "time":
                        self._timed_at = received
                        own.server.sample(sent, received, parse_time(answer))
                        own.lag.take_time(own.server.now())
                    else:
                        self._take(request, answer)
                except MalformedError as error:
                    own.faults.dropped.warn(str(error))
                finally:
                    if request.kind == "read":  # also where there was nothing to read
                        own.lag.unread.pop(request.key, None)
                    for waiting in request.waiting:  # nobody waits any more who has an answer
                        resolve(waiting, None)

    def _take(self, request: Request, answer: Any) -> None:
        if request.kind not in {"index_read", "overridden_read"} and is_wrong_type(answer):
            raise MalformedError("something that is no hash under a circuit's name")
        self._topics[request.kind].answered(request, answer)

    def _indexed(self, key: str, version: int) -> None:
        circuit, server = self.own.registry.get(key), self.own.server
        horizon = server.horizon()
        known = 0 if circuit is None else circuit._core.membership.version
        server.warn_of_far(version, horizon, known)
        # Beyond the horizon it says nothing of the version that stands in the hash.
        if version > horizon or is_newer((version, ""), (known, ""), horizon):
            self.own.work.want(key, "read")

    def _compared(self, circuit: Circuit) -> None:
        """Look again at a circuit that was compared with the server's: what happened meanwhile."""
        self.changed(circuit)
        self.touched(circuit)
