"""What a circuit exchanges with its fleet: the machine's own methods, under its lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .locked import LockedMachine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi_hybrid_breaker.core.contribution import Report
    from fastapi_hybrid_breaker.core.lease import Lease, LeaseWish
    from fastapi_hybrid_breaker.core.news import News, Proposal
    from fastapi_hybrid_breaker.core.override import OverrideNews


class FleetSide(LockedMachine):
    """The part of a circuit that its fleet sees; what the methods mean is said in ``Member``."""

    __slots__ = ()

    def propose(self) -> Proposal | None:
        """Give the change of state that the fleet has not seen, or None."""
        with self._locked():
            return self.machine.propose(self.clock())

    def describe(self) -> Proposal:
        """Give the present state and the fleet's version it is based on."""
        with self._locked():
            return self.machine.describe(self.clock())

    def confirm(self, proposal: Proposal, news: News) -> None:
        """Take the fleet's consent to what this process proposed."""
        with self._changing() as now:
            self._post(self.machine.confirm(proposal, news, now), now)

    def adopt(self, news: News, *, refused: bool = False) -> None:
        """Take over the fleet's state if it is newer, or was held against ours."""
        with self._changing() as now:
            self._post(self.machine.adopt(news, now, refused=refused), now)

    def forget_fleet(self) -> None:
        """Know nothing of the fleet any more: what is read next is the first."""
        with self._locked():
            self.machine.forget_fleet()

    def adopt_override(self, news: OverrideNews) -> None:
        """Take over what the fleet's register says, if it is newer."""
        with self._changing() as now:
            self._post(self.machine.adopt_override(news, now), now)

    def take_report(self, *, is_hot: bool) -> Report | None:
        """Give what the fleet has to hear of the calls here; it counts as told."""
        with self._locked():
            return self.machine.take_report(self.clock(), is_hot=is_hot)

    def judge_fleet(self, generation: int, calls: Mapping[str, Sequence[int]]) -> None:
        """Open if the calls of the whole fleet fulfil a rule."""
        with self._changing() as now:
            self._post(self.machine.judge_fleet(generation, calls, now), now)

    def trip_by_run(self, generation: int, failures: int) -> None:
        """Open by a run of failures that several instances have met."""
        with self._changing() as now:
            self._post(self.machine.trip_by_run(generation, failures, now), now)

    def listen(self, seconds: float) -> None:
        """Note successes for so long: failures of others are being counted."""
        now = self.clock()
        with self._locked():
            self.machine.listen(now, now + seconds)

    def run_ended(self, seconds: float) -> None:
        """Take in that the fleet's run is over, and note successes for so long still."""
        now = self.clock()
        with self._locked():
            if self.machine.contribution is not None:
                self.machine.contribution.ended()
                self.machine.contribution.stop_listening(now + seconds)
                self.machine.note_or_not(now)

    def object_to_run(self, since: float) -> bool:
        """Tell whether there was a success here after ``since``, and have it told to the fleet."""
        with self._locked():
            contribution = self.machine.contribution
            last = None if contribution is None else contribution.success_at
            if contribution is None or last is None or last <= since:
                return False
            contribution.owes_success = True
            return True

    def vote(self) -> bool | None:
        """Tell whether this process stands by an opening that binds only itself."""
        with self._locked():
            return self.machine.vote()

    def withdrew(self) -> None:
        """Take in that the fleet does not count the vote any more."""
        with self._locked():
            self.machine.withdrew()

    def join(self, generation: int) -> None:
        """Have an opening of our own bind all."""
        with self._locked():
            self.machine.join(generation)

    def wish(self) -> LeaseWish | None:
        """Give what to ask for the lease of probes with."""
        with self._locked():
            return self.machine.wish(self.clock())

    def grant(self, opening: int, lease: Lease, successes: int) -> None:
        """Take the lease of probes."""
        with self._locked():
            self.machine.grant(opening, lease, successes)

    def see_lease(self, opening: int, until: float, successes: int) -> None:
        """Take in that somebody else may probe until then."""
        with self._locked():
            self.machine.see_lease(opening, until, successes)

    def hear_probing(self, probes: int, seconds: float, successes: int) -> None:
        """Record how many probes run elsewhere, for so long at most unless it is said again."""
        with self._locked():
            self.machine.hear_probing(self.clock(), probes, seconds, successes)

    def suspect_probing(self, seconds: float) -> None:
        """Record that some may probe elsewhere for so long, who do not say how many."""
        with self._locked():
            self.machine.suspect_probing(self.clock(), seconds)

    def expect_calls(self, per_second: float) -> None:
        """Record how many calls to expect in this process."""
        with self._locked():
            self.machine.expect_calls(per_second)
