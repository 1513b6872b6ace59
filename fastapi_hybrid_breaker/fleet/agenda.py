"""What this process has to say to the fleet: errands become requests, answers become news.

No I/O: the lane sends what ``take`` gives and brings the answers back.
"""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import Future, InvalidStateError
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.news import Proposal
from fastapi_hybrid_breaker.core.states import CircuitState

from .connection import evalsha, is_wrong_type
from .errands import Errand, Errands, Plain, Request, Reset
from .index import Index
from .wire import (
    HASH_FIELDS,
    PROTOCOL,
    Heard,
    MalformedError,
    parse_hash,
    parse_reply,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi_hybrid_breaker.calls.circuit_object import Circuit

    from .knowledge import Knowledge
    from .wire import Names

_UNKNOWN: Final = Proposal(
    generation=0,
    state=CircuitState.CLOSED,
    failures=0,
    successes=0,
    remaining=0.0,
    version=0,
    writer="",
)

_FULL_PASS: Final = 20
"""Repairs that a pass over all circuits is spread over: ten minutes."""


class Agenda:
    """Turns errands into requests and their answers into what the circuits know."""

    def __init__(self, knowledge: Knowledge, names: Names, *, most_in_index: int) -> None:
        self._knowledge = knowledge
        self._names = names
        self._operation = 0
        self._proposed: dict[str, tuple[int, str]] = {}  # by key: generation and operation
        self._index = Index(names.index, most_in_index, knowledge.dropped)
        self._pass: list[str] = []

    @property
    def _errands(self) -> Errands:
        return self._knowledge.errands

    # -- in ---------------------------------------------------------------------------------

    def changed(self, circuit: Circuit) -> None:
        """Propose a circuit's new state, if it is one that the fleet has not seen."""
        if circuit.machine.unshared:
            self._errands.edit(circuit.key, _change, must=True)

    def read(self, key: str) -> None:
        """Read a circuit's hash and take in what it says."""
        self._errands.edit(key, _read)

    def peek(self, key: str) -> Future[Heard | None]:
        """Read a circuit's hash only to show it; the future gets what it says."""
        answer: Future[Heard | None] = Future()
        if not self._errands.edit(key, lambda errand: errand.waiting.append(answer)):
            answer.set_result(None)
        return answer

    def reset(self, key: str, proposal: Proposal | None) -> Future[None]:
        """Reset a circuit in the fleet; the future is done when it is."""
        answer: Future[None] = Future()
        reset = Reset(self._new_operation(), proposal, [answer])
        self._errands.edit(key, lambda errand: _add_reset(errand, reset), must=True)
        return answer

    def read_all(self) -> None:
        """Read everything: after each subscription, since messages were missed before it."""
        self._knowledge.server_clock.forget()
        self._index.read_all()
        for circuit in self._knowledge.registry:
            self._errands.edit(circuit.key, _read, must=True)
            self.changed(circuit)

    def repair(self) -> None:
        """Read again what is likely to have been missed, and a part of all the rest."""
        registry = self._knowledge.registry
        self._index.read_recent()
        for circuit in registry:
            if circuit.state is not CircuitState.CLOSED:
                self._errands.edit(circuit.key, _read, must=True)
                if circuit.machine.version:
                    self._index.note(circuit.key, circuit.machine.version)
        if not self._pass:
            self._pass = [circuit.key for circuit in registry]
        share = -(-len(registry) // _FULL_PASS)
        self._pass, now = self._pass[share:], self._pass[:share]
        for key in now:
            self._errands.edit(key, _read)

    # -- out --------------------------------------------------------------------------------

    def take(self, most: int) -> list[Request]:
        """Give what to send next, one request per circuit; empty when there is nothing."""
        requests = []
        for kind, key, errand in self._errands.take(self._knowledge.clock(), most):
            if kind == "read":
                command = ("HMGET", self._names.hash(key), *HASH_FIELDS)
                request = Request("read", key, command, is_news=errand.read, waiting=errand.waiting)
            elif kind == "reset" and errand.reset is not None:
                request = self._reset_request(key, errand.reset)
            elif kind == "plain" and errand.plain is not None:
                request = self._plain_request(key, errand.plain)
            else:
                circuit = self._knowledge.registry.get(key)
                if circuit is None:
                    continue
                proposed = (
                    self._change_request(circuit)
                    if kind == "change"
                    else self._restore_request(circuit)
                )
                if proposed is None:
                    continue
                request = proposed
            requests.append(request)
        requests.extend(self._index.take())
        if requests:
            requests.insert(0, Request("time", "", ("TIME",)))
        return requests

    def next_due(self) -> float | None:
        """Give when ``take`` has something: 0.0 now, monotonic seconds, or None: not foreseen."""
        if self._index.has_work():
            return 0.0
        return self._errands.next_due()

    def put_back(self, requests: Sequence[Request]) -> None:
        """Queue again what was sent without an answer; the operation ids make that harmless."""
        for request in requests:
            if request.kind in {"index_write", "index_read"}:
                self._index.put_back(request)
            elif request.kind != "time":
                self._errands.edit(request.key, partial(_again, request), must=True)

    def _change_request(self, circuit: Circuit) -> Request | None:
        proposal = circuit.propose()
        if proposal is None:
            return None
        generation, operation = self._proposed.get(circuit.key, (-1, ""))
        if generation != proposal.generation:
            operation = self._new_operation()
            self._proposed[circuit.key] = (proposal.generation, operation)
        command = self._script("change", circuit.key, operation, proposal)
        return Request("change", circuit.key, command, proposal)

    def _restore_request(self, circuit: Circuit) -> Request | None:
        ours = circuit.describe()
        if circuit.machine.unshared or not ours.version:
            return None  # a change of our own says it all
        return Request(
            "restore", circuit.key, self._script("restore", circuit.key, "-", ours), ours
        )

    def _reset_request(self, key: str, reset: Reset) -> Request:
        circuit = self._knowledge.registry.get(key)
        proposal = None
        if circuit is not None and reset.proposal is not None:
            # As it was decided, on top of what has been heard by now.
            ours = circuit.describe()
            proposal = replace(reset.proposal, version=ours.version, writer=ours.writer)
        command = self._script("reset", key, reset.operation, _UNKNOWN)
        return Request("reset", key, command, proposal, reset=reset)

    def _plain_request(self, key: str, plain: Plain) -> Request:
        timeout = self._knowledge.registry.config_for(key).recovery_timeout
        command = self._script("plain", key, "-", _UNKNOWN, plain, timeout)
        return Request("plain", key, command, plain=plain)

    def _script(
        self,
        what: str,
        key: str,
        operation: str,
        proposal: Proposal,
        plain: Plain | None = None,
        timeout: float = 0.0,
    ) -> tuple[Any, ...]:
        return evalsha(
            self._names.hash(key),
            what,
            operation,
            self._knowledge.instance,
            str(self._knowledge.newest),
            str(proposal.version),
            proposal.writer,
            proposal.state.value,
            proposal.failures,
            proposal.successes,
            round(proposal.remaining * 1000),
            self._names.channel,
            json.dumps(key),
            PROTOCOL,
            int(plain is not None and plain.is_live),
            round(timeout * 1000),
            int(plain is not None and plain.may_close),
        )

    def _new_operation(self) -> str:
        self._operation += 1
        return f"{self._knowledge.instance}-{self._operation}"

    # -- answers ----------------------------------------------------------------------------

    def answered(
        self, requests: Sequence[Request], answers: Sequence[Any], sent: float, received: float
    ) -> None:
        """Take the answers; ``sent`` and ``received`` are monotonic seconds."""
        for request, answer in zip(requests, answers, strict=True):
            try:
                if request.kind == "time":
                    self._knowledge.server_clock.sample(sent, received, _seconds(answer))
                elif request.kind == "index_read":
                    self._take_index(answer)
                elif request.kind == "read":
                    self._take_hash(request, answer)
                elif request.kind != "index_write":
                    self._take_reply(request, answer)
            except MalformedError as error:
                self._knowledge.dropped.warn(str(error))
                for waiting in request.waiting:
                    _resolve(waiting, None)

    def _take_hash(self, request: Request, answer: Any) -> None:
        _refuse_wrong_type(answer)
        heard = parse_hash(answer)
        if request.is_news:
            self._knowledge.found(request.key, heard)
        for waiting in request.waiting:
            _resolve(waiting, heard)

    def _take_index(self, answer: Any) -> None:
        for key, version in self._index.read(answer).items():
            circuit = self._knowledge.registry.get(key)
            if circuit is None or circuit.machine.version < version:
                self._errands.edit(key, _read)

    def _take_reply(self, request: Request, answer: Any) -> None:
        _refuse_wrong_type(answer)
        key, reply = request.key, parse_reply(answer)
        circuit = self._knowledge.registry.get(key)
        if reply.status == "foreign":
            plain = Plain(due=0.0, is_live=False, may_close=False)
            self._errands.edit(key, lambda errand: _adopt_plain(errand, plain), must=True)
            return
        stored = reply.stored
        if stored is None:
            return
        news = stored.news(reply.server_time)
        self._knowledge.note_version(news.version)
        if reply.status in {"done", "repeat"} and news.version:
            self._index.note(key, news.version)
        is_ours = reply.status == "done" or (
            reply.status == "repeat" and news.writer == self._knowledge.instance
        )
        if circuit is not None and news.version:
            if is_ours and request.proposal is not None and request.kind != "restore":
                circuit.confirm(request.proposal, news)
            else:
                circuit.adopt(news)
            self.changed(circuit)  # what happened here meanwhile builds on it
        if request.kind == "change":
            self._proposed.pop(key, None)
        if request.reset is not None:
            for waiting in request.reset.waiting:
                _resolve(waiting, None)


def _change(errand: Errand) -> None:
    errand.change = True


def _read(errand: Errand) -> None:
    errand.read = True


def _adopt_plain(errand: Errand, plain: Plain) -> None:
    errand.plain = errand.plain or plain


def _add_reset(errand: Errand, reset: Reset) -> None:
    if errand.reset is not None:
        reset.waiting += errand.reset.waiting  # the later one serves both
    errand.reset = reset


def _again(request: Request, errand: Errand) -> None:
    if request.reset is not None:
        if errand.reset is None:
            errand.reset = request.reset
        else:
            errand.reset.waiting += request.reset.waiting
    errand.change = errand.change or request.kind == "change"
    errand.plain = errand.plain or request.plain
    errand.restore = errand.restore or request.kind == "restore"
    errand.read = errand.read or request.is_news
    errand.waiting += request.waiting


def _resolve(future: Future[Any], result: object) -> None:
    with contextlib.suppress(InvalidStateError):  # nobody waits any more: the second is over
        future.set_result(result)


def _refuse_wrong_type(answer: object) -> None:
    if is_wrong_type(answer):
        raise MalformedError("something that is no hash under a circuit's name")


def _seconds(answer: Any) -> float:
    """Read the answer to TIME, which redis-py makes a pair of numbers."""
    seconds, microseconds = answer
    return float(seconds) + float(microseconds) / 1_000_000
