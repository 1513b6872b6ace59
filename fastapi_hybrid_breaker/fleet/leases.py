"""The right to probe for the whole fleet: who asks for it and when, and what is reported of probes.

No I/O.
"""

from __future__ import annotations

import json
from math import inf, log2
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.lease import Lease
from fastapi_hybrid_breaker.core.states import CircuitState

from .answers import parse_lease
from .crowd import Crowd
from .lease_post import Post
from .messages import PROTOCOL
from .scripts import load
from .work_item import Request
from .write_back import write_back

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.core.lease import LeaseWish

    from .messages import Signal
    from .own_instance import OwnInstance
    from .work_item import Kind

TERM: Final = 2.0
"""Seconds that a lease lasts on the server while probes run under it."""

UNUSED_TERM: Final = 0.3
"""Seconds that one lasts at least under which none runs; its holder begins none in the last half,
so that every probe is reported before another instance can have the lease."""

_ROUND_TRIPS: Final = 4
"""... and at least so many round trips, the longest of the last few."""

SAFETY: Final = 0.2
"""Seconds by which the holder of a lease in use thinks that it ends sooner."""

RENEW_EVERY: Final = 0.6
"""Seconds after which a lease in use is prolonged, and what runs under it is reported."""

EARLY: Final = 0.1
"""Seconds before the end of the recovery timeout at which an instance with many calls asks."""

AFTER_YOU: Final = 0.3
"""Seconds at most for which who did not use a lease leaves the next one to others."""

_MEASURED: Final = 10.0
"""Seconds before the end of a recovery timeout in which calls are counted."""

_MEASURED_LATE: Final = 1.0
"""... and after which they are counted where the recovery timeout was missed."""

_ASK_AT_ONCE: Final = 3
"""Instances of the fleet that ask at once, about: the others wait by chance, see ``_turn``."""

_TURN: Final = 0.2
"""Seconds in which the number of instances that ask doubles, at least."""

_TURN_CALLS: Final = 1.5
"""... and at least so many of their calls: a holder with as many has mostly had one by then."""

LONGEST_SPREAD: Final = 2.0
_SPREAD_EACH: Final = 0.01
"""Seconds over which the requests about circuits are spread whose recovery timeouts end together:
so much for each of them, the longest at most."""

UNHEARD: Final = 3.0
"""Seconds for which others' probes are taken to run of which no more is heard."""

_POLL: Final = 1.0
"""Seconds at most until asking again where other instances' probes take all places."""

_REORDERED: Final = 10.0
"""Seconds by which a signal is older than another at most; more: the server's clock was set."""

_SCRIPT: Final = load("lease.lua")


class Leases:
    """Asks for leases, prolongs them, and reports probes.

    Args:
        own: this instance.
    """

    plans: tuple[str, ...] = ("lease",)
    kinds: tuple[Kind, ...] = ("lease",)

    def __init__(self, own: OwnInstance) -> None:
        self._own = own
        self._schedule = own.schedule
        self._posts: dict[str, Post] = {}
        self._ends = Crowd()  # of the recovery timeouts of those circuits

    # -- in ---------------------------------------------------------------------------------

    def changed(self, circuit: Circuit, rejected: int) -> None:
        """Look at a circuit's new state; so many calls had been rejected when it changed."""
        core, key, now = circuit._core, circuit.key, self._own.clock()
        if core.machine.state is CircuitState.CLOSED:
            self._leave(key)
            self._schedule.drop("lease", key)
            return
        post = self._post(circuit, rejected)
        if core.machine.state is CircuitState.HALF_OPEN:
            if post.has_report_of(circuit):
                self._schedule.note("lease", key, now)
            else:
                # Somebody probes, and has the lease for that.
                post.not_before = now + TERM

    def touched(self, circuit: Circuit, rejected: int) -> None:
        """Report probes, and ask for a lease that a call wants; so many had been rejected then."""
        core, now = circuit._core, self._own.clock()
        if core.machine.state is CircuitState.CLOSED:
            return
        post = self._post(circuit, rejected)
        if post.has_report_of(circuit):
            self._schedule.note("lease", circuit.key, now)
        elif core.machine.probes.lease.is_wanted:
            self._schedule.note("lease", circuit.key, max(now, post.not_before))

    def seen(self, circuit: Circuit, signal: Signal) -> bool:
        """Record what is said of probes; returns whether there is something to do."""
        if circuit._core.machine.state is CircuitState.CLOSED:
            return False
        post, now = self._post(circuit, circuit.rejected), self._own.clock()
        if (
            not signal.sent_at
        ):  # of a version that says only that some run, and never that they ended
            with circuit._hold() as core:
                probes = core.machine.probes
                if probes.lease.opening is not None:
                    probes.see_lease(probes.lease.opening, now + min(signal.seconds, TERM), 0)
                probes.suspect_probing(now, UNHEARD)
            post.not_before = now + TERM + self._turn(circuit)
            return False
        if 0 < post.heard_at - signal.sent_at < _REORDERED:
            return False
        post.heard_at = signal.sent_at
        instance = self._own.name
        elsewhere = sum(many for who, many in (signal.running or {}).items() if who != instance)
        with circuit._hold() as core:
            core.machine.probes.hear_probing(now, elsewhere, signal.seconds, signal.successes)
        if signal.by == instance:
            return False
        # Whoever has just probed goes on.
        hold = signal.seconds or self._unused_term()
        post.not_before = now + hold + self._turn(circuit)
        if post.wants:
            self._schedule.note("lease", circuit.key, post.not_before)
        return post.wants

    def _post(self, circuit: Circuit, rejected: int) -> Post:
        """Return how this process stands in the present trouble, from its beginning on."""
        core, key, now = circuit._core, circuit.key, self._own.clock()
        post = self._posts.get(key)
        if post is not None and post.opening == core.machine.probes.lease.opening:
            return post
        look_at, ask_at = now + _MEASURED_LATE, now
        if core.machine.state is CircuitState.OPEN:
            look_at = core.machine.open_until - EARLY
            ask_at = look_at + self._own.random.uniform(0, self._spread(circuit))
        opening = core.machine.probes.lease.opening
        post = self._posts[key] = Post(opening, now, rejected, look_at, ask_at)
        self._ends.note(key, core.machine.open_until)
        self._schedule.drop("lease", key)
        self._schedule.note("lease", key, max(now, look_at - _MEASURED))
        return post

    def _leave(self, key: str) -> None:
        self._posts.pop(key, None)
        self._ends.drop(key)

    def _spread(self, circuit: Circuit) -> float:
        """Return over how many seconds to ask: many circuits may have opened together."""
        together = self._ends.near(circuit._core.machine.open_until)
        return min(LONGEST_SPREAD, _SPREAD_EACH * (1 + together))

    def _turn(self, circuit: Circuit) -> float:
        """Return the seconds by which this instance lets others ask first, by chance.

        A few ask at once, and twice as many each time that a holder with as many calls as this
        instance would have used the lease: so a large fleet asks a few times, and yet those are
        soon among them who have all the calls.
        """
        share = self._own.random.random() * self._own.registry.peers.live / _ASK_AT_ONCE
        if share <= 1.0:
            return 0.0
        calls = circuit._core.machine.probes.lease.calls_per_second or inf
        return log2(share) * max(_TURN, _TURN_CALLS / calls)

    def _unused_term(self) -> float:
        at_least = _ROUND_TRIPS * self._own.registry.peers.round_trip
        return min(TERM, max(UNUSED_TERM, at_least))

    # -- out --------------------------------------------------------------------------------

    def due(self, kind: str, key: str, now: float) -> Iterator[Request]:  # noqa: ARG002 - one kind
        """Return the request for a lease that is wanted, or the report of probes."""
        circuit, post = self._own.registry.get(key), self._posts.get(key)
        if circuit is None or post is None:
            self._leave(key)
            return
        self._count_calls(circuit, post, now)
        post.wants = post.wants or circuit._core.machine.probes.lease.is_wanted
        with circuit._hold() as core:
            wish = core.wish(now)
        if wish is None:
            post.wants = False
            return
        is_changed = (wish.running, wish.own) != (post.running, post.own)
        is_renewal = wish.running > 0 and now >= post.renew_at
        if is_changed or is_renewal or (post.wants and now >= post.not_before):
            post.wants = False
            post.running, post.own = wish.running, wish.own
            # Until the answer, or for want of one that makes sense.
            post.not_before = max(post.not_before, now + EARLY)
            yield self._request(circuit, wish, now)
            return
        if post.wants:
            self._schedule.note("lease", key, post.not_before)
        if wish.running:
            self._schedule.note("lease", key, post.renew_at)

    def put_back(self, request: Request) -> None:
        """Send again what was sent without an answer."""
        if (post := self._posts.get(request.key)) is not None:
            post.wants = True
            self._schedule.note("lease", request.key, self._own.clock())

    def _count_calls(self, circuit: Circuit, post: Post, now: float) -> None:
        """Work out how many calls there are, when enough have been seen; and ask if they are many.

        The call that is to be decided is one of them.
        """
        if now < post.look_at:
            if now < post.look_at - _MEASURED / 2:  # a long recovery timeout begins to be measured
                post.since, post.rejected = now, circuit.rejected
            self._schedule.note("lease", circuit.key, post.look_at)
        elif post.look_at < inf:
            post.look_at = inf
            calls = circuit.rejected - post.rejected
            with circuit._hold() as core:
                lease = core.machine.probes.lease
                lease.expect_calls((calls + 1) / max(now - post.since, EARLY))
            if calls and circuit._core.machine.state is CircuitState.OPEN:
                post.wants = not circuit._core.machine.probes.lease.calls_are_rare()
                post.not_before += self._turn(circuit)

    def _request(self, circuit: Circuit, wish: LeaseWish, now: float) -> Request:
        # One that is given before the end of the recovery timeout lasts as much longer.
        early = max(0.0, circuit._core.machine.open_until - now)
        term = TERM if wish.running else early + self._unused_term()
        usable = term - SAFETY if wish.running else early + self._unused_term() / 2
        command = _SCRIPT.command(
            (self._own.names.hash(circuit.key),),
            self._own.name,
            str(wish.version),
            wish.writer,
            round(term * 1000),
            wish.places,
            wish.running,
            round(wish.busy_for * 1000),
            wish.successes,
            self._own.names.signals,
            json.dumps(circuit.key),
            PROTOCOL,
            wish.own,
        )
        about = (wish, now + usable, now + term)
        return Request("lease", circuit.key, command, about=about)

    # -- answers ----------------------------------------------------------------------------

    def answered(self, request: Request, answer: Any) -> None:
        """Record a lease, or when to ask again.

        Raises:
            MalformedError: it is no answer to such a question.
        """
        reply = parse_lease(answer)
        status, successes = reply.status, reply.successes
        key = request.key
        circuit, post = self._own.registry.get(key), self._posts.get(key)
        if circuit is None or post is None:
            return
        now, left = self._own.clock(), reply.seconds
        wish, usable_until, ends = request.about
        if status not in {"granted", "held", "full"}:
            post.running = post.own = 0  # it was not taken down
        if status == "granted":
            with circuit._hold() as core:
                lease = Lease(reply.places, usable_until)
                core.machine.probes.grant(wish.opening, lease, successes)
            # Where it is not used, somebody else may have more calls.
            post.not_before = now if wish.running else ends + self._own.random.uniform(0, AFTER_YOU)
        elif status == "held":
            with circuit._hold() as core:
                core.machine.probes.see_lease(wish.opening, now + left, successes)
            post.not_before = now + left + self._turn(circuit)
        elif status == "full":
            with circuit._hold() as core:
                core.machine.probes.hear_probing(now, wish.places, left, successes)
            post.not_before = now + min(left, _POLL)
        elif status == "early":
            post.wants, post.not_before = True, now + left
            self._schedule.note("lease", key, post.not_before)
        elif status == "moved":
            self._own.work.want(key, "read")
        elif status == "gone":
            write_back(circuit, self._own.work)
            post.not_before = now + EARLY
        if wish.running or wish.own != post.own:
            # What runs takes places until its end is reported.
            post.renew_at = now + RENEW_EVERY
            self._schedule.note("lease", key, post.renew_at)
