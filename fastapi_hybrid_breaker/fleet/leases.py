"""The right to probe for the whole fleet: asked for by who has traffic, kept while it is used.

No I/O.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.lease import Lease
from fastapi_hybrid_breaker.core.states import CircuitState

from .errand import Request
from .fields import MalformedError, number
from .scripts import load
from .timetable import Timetable
from .wire import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from fastapi_hybrid_breaker.calls.circuit_object import Circuit
    from fastapi_hybrid_breaker.core.lease import LeaseWish

    from .knowledge import Knowledge
    from .signals import Signal
    from .wire import Names

TERM: Final = 2.0
"""Seconds that a lease lasts on the server."""

SAFETY: Final = 0.2
"""Seconds by which its holder thinks that it ends sooner."""

RENEW_EVERY: Final = 0.6
"""Seconds after which a lease in use is prolonged, and what runs under it is told."""

EARLY: Final = 0.1
"""Seconds before the end of the open time at which an instance with traffic asks."""

AFTER_YOU: Final = 0.3
"""Seconds for which who let a lease lapse leaves the next one to others."""

LONGEST_SPREAD: Final = 2.0
_SPREAD_EACH: Final = 0.01
"""Seconds over which the probes of circuits are spread that end their open time together: so much
for each of them, the longest at most."""

_SPREAD_PER_INSTANCE: Final = 0.002
"""Seconds more for each living instance: most hear that somebody probes before they would ask."""

_POLL: Final = 1.0
"""Seconds at most until asking again where other instances' probes take all places."""

_SCRIPT: Final = load("lease.lua")
_MOST: Final = 10**12


@dataclass(slots=True)
class _Post:
    """How this process stands to the lease of one circuit; times are monotonic seconds.

    Args:
        not_before: when asking makes sense.
        rejected: calls that had been rejected when the circuit opened, or when it was last asked.
        opening: which trouble this is about, see ``Prober``.
        holds: the lease is ours, or was until it ended.
        ends: when it ends.
        successes: probes that had succeeded when it was last given.
        is_busy: the fleet was told last that probes run here.
    """

    not_before: float
    rejected: int
    opening: int
    holds: bool = False
    ends: float = 0.0
    successes: int = 0
    is_busy: bool = False


class Leases:
    """Asks for leases and prolongs them.

    Args:
        knowledge: what is known of the fleet.
        names: the names in Redis.
        random: for jitter.
    """

    def __init__(self, knowledge: Knowledge, names: Names, *, random: Random) -> None:
        self._knowledge = knowledge
        self._names = names
        self._random = random
        self._due = Timetable()
        self._posts: dict[str, _Post] = {}

    # -- in ---------------------------------------------------------------------------------

    def changed(self, circuit: Circuit, rejected: int) -> None:
        """Look at a circuit's new state; so many calls had been rejected when it changed."""
        machine, key, now = circuit.machine, circuit.key, self._knowledge.clock()
        if machine.state is CircuitState.CLOSED:
            self._posts.pop(key, None)
            self._due.drop(key)
        elif machine.state is CircuitState.OPEN:
            if (known := self._posts.get(key)) is not None and known.opening == machine.opening:
                return  # nothing new: calls may have been rejected since
            ask_at = machine.deadline - EARLY + self._random.uniform(0, self._spread(circuit))
            self._posts[key] = _Post(ask_at, rejected, machine.opening)
            self._due.drop(key)
            self._due.note(key, ask_at)
        elif (post := self._posts.get(key)) is not None and post.holds:
            self._due.note(key, now)  # a probe runs: the fleet is to know
        else:
            post = self._posts.setdefault(key, _Post(now, rejected, machine.opening))
            # Somebody probes, and has the lease for that. It may not wait for the end of an
            # opening of ours that the fleet has not taken.
            post.not_before = now + TERM

    def stirred(self, circuit: Circuit) -> None:
        """Ask for the lease if a call wants it, and tell at once of the first probe under it."""
        machine = circuit.machine
        if not machine.wants_lease and (machine.state is CircuitState.CLOSED or not machine.probes):
            return
        now = self._knowledge.clock()
        post = self._posts.setdefault(
            circuit.key, _Post(now, circuit.rejected, circuit.machine.opening)
        )
        self._due.note(circuit.key, max(now, post.not_before))

    def seen(self, circuit: Circuit, signal: Signal) -> None:
        """Take in that probes run somewhere; whoever runs them has the lease, it seems."""
        circuit.see_probing()
        if signal.by == self._knowledge.instance:
            return
        until = self._knowledge.clock() + min(signal.seconds, TERM)
        circuit.see_lease(circuit.machine.opening, until, 0)
        # They may have begun without a lease, in places that ours counts as free.
        circuit.doubt_lease()

    def _spread(self, circuit: Circuit) -> float:
        """Give the seconds over which probes are spread: many circuits may have opened together."""
        deadline = circuit.machine.deadline
        together = sum(
            1 for post in tuple(self._posts.values()) if abs(post.not_before - deadline) < 1.0
        )
        live = self._knowledge.registry.surroundings.live
        return min(LONGEST_SPREAD, _SPREAD_EACH * (1 + together) + _SPREAD_PER_INSTANCE * live)

    # -- out --------------------------------------------------------------------------------

    def take(self, now: float, most: int) -> Iterator[Request]:
        """Ask where it is wanted, and prolong what is used."""
        for key in self._due.take(now, most):
            circuit, post = self._knowledge.registry.get(key), self._posts.get(key)
            if circuit is None or post is None:
                continue
            wants = circuit.machine.wants_lease
            wish = circuit.wish()
            if wish is None:
                continue
            has_traffic = wants or (not post.holds and circuit.rejected > post.rejected)
            is_used = post.is_busy or wish.running > 0 or wish.successes > post.successes
            if wants:
                pass  # whatever was so far: a call could not be admitted
            elif post.holds and not is_used and now < post.ends:
                self._due.note(key, now + RENEW_EVERY)
                continue
            elif post.holds and not is_used:
                # Nobody calls here: the next one is for others first.
                post.holds = False
                post.not_before = now + AFTER_YOU
                post.rejected = circuit.rejected
                continue
            if has_traffic or is_used:
                post.rejected = circuit.rejected
                post.is_busy = wish.running > 0
                # Until the answer, or for want of one that makes sense.
                post.not_before = max(post.not_before, now + EARLY)
                yield Request("lease", key, self._command(key, wish), part=self, about=(wish, now))

    def put_back(self, request: Request) -> None:
        """Ask again for what was sent without an answer."""
        if (post := self._posts.get(request.key)) is not None:
            post.rejected -= 1  # somebody wanted it
            self._due.note(request.key, self._knowledge.clock())

    def next_due(self) -> float | None:
        """Give when the next is to be asked for."""
        return self._due.next_due()

    def _command(self, key: str, wish: LeaseWish) -> tuple[Any, ...]:
        return _SCRIPT.command(
            (self._names.hash(key),),
            self._knowledge.instance,
            str(wish.version),
            wish.writer,
            round(TERM * 1000),
            wish.places,
            wish.running,
            round(wish.busy_for * 1000),
            wish.successes,
            self._names.signals,
            json.dumps(key),
            PROTOCOL,
        )

    # -- answers ----------------------------------------------------------------------------

    def answered(self, request: Request, answer: Any) -> None:
        """Take a lease, or when to ask again.

        Raises:
            MalformedError: it is no answer to such a question.
        """
        status, milliseconds, places, successes = parse_answer(answer)
        key = request.key
        circuit, post = self._knowledge.registry.get(key), self._posts.get(key)
        if circuit is None or post is None:
            return
        now, left = self._knowledge.clock(), milliseconds / 1000
        wish, sent = request.about
        post.holds = status == "granted"
        if status == "granted":
            lease = Lease(places, sent + TERM - SAFETY)
            circuit.grant(wish.opening, lease, successes)
            post.ends = sent + TERM
            post.successes = max(successes, wish.successes)
            self._due.note(key, sent + RENEW_EVERY)
        elif status == "held":
            circuit.see_lease(wish.opening, now + left, successes)
            post.not_before = now + left + self._random.uniform(0, EARLY)
        elif status == "full":
            post.not_before = now + min(left, _POLL)
        elif status == "early":
            post.not_before = now + left
            post.rejected -= 1  # somebody wanted it
            self._due.note(key, post.not_before)
        elif status == "moved":
            self._knowledge.errands.want(key, "read")
        elif status == "gone":
            self._knowledge.missed(circuit)
            post.not_before = now + EARLY
        if status != "granted" and post.is_busy:
            # What runs here takes places of others, until they are told that it has ended.
            self._due.note(key, now + RENEW_EVERY)


def parse_answer(answer: Any) -> tuple[str, float, int, int]:
    """Read the script's answer: a word, milliseconds, places, successes.

    Raises:
        MalformedError: it is none.
    """
    if not isinstance(answer, list) or len(answer) != 4:
        raise MalformedError(f"an answer of the script that is none: {answer!r:.200}")
    try:
        status, *texts = (one.decode() for one in answer)
    except (UnicodeDecodeError, AttributeError):
        raise MalformedError("an answer of the script that is no text") from None
    milliseconds, places, successes = (number("lease", text, 0, _MOST) for text in texts)
    if status == "granted" and places < 1:
        raise MalformedError("a lease without a place")
    return status, milliseconds, int(places), int(successes)
