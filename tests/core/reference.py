"""One circuit by its rules, written for clearness: what the real machine is compared with.

It keeps every call it ever admitted and works out places and permits from that record. It shares
no code with the machine, and none of its tricks (numbers as tickets, flags, lists cut short).
"""

from __future__ import annotations

from dataclasses import dataclass

PROBING_WAIT = 1.0


@dataclass
class Call:
    """One admitted call: which period of the circuit admitted it, and what became of it."""

    period: int
    is_probe: bool
    overdue_at: float
    settled: bool = False


class Reference:
    def __init__(
        self, *, threshold: int, successes: int, places: int, open_time: float, probe_time: float
    ) -> None:
        self.threshold = threshold
        self.successes_needed = successes
        self.places = places
        self.open_time = open_time
        self.probe_time = probe_time
        self.state = "CLOSED"
        self.period = 0
        self.failures = 0
        self.successes = 0
        self.opens_until = 0.0
        self.calls: list[Call] = []
        self.version = (0, "")
        self.unshared = False

    def enter(self, state: str, *, failures: int = 0) -> None:
        self.state = state
        self.period += 1
        self.failures = failures
        self.successes = 0

    def holders(self, now: float) -> int:
        """Count the probes that hold a place."""
        return sum(
            call.is_probe
            and not call.settled
            and call.period == self.period
            and now < call.overdue_at
            for call in self.calls
        )

    def admit(self, now: float) -> Call | None:
        if self.state == "OPEN" and now >= self.opens_until:
            self.enter("HALF_OPEN", failures=self.failures)
            self.unshared = True
        if self.state == "OPEN" or (self.state == "HALF_OPEN" and self.holders(now) >= self.places):
            return None
        call = Call(self.period, self.state == "HALF_OPEN", now + self.probe_time)
        self.calls.append(call)
        return call

    def settle(self, call: Call, outcome: str, now: float) -> None:
        if call.settled:
            return
        call.settled = True
        if call.period != self.period or outcome == "not counted":
            return
        if outcome == "success":
            if not call.is_probe:
                self.failures = 0
                return
            self.successes += 1
            if self.successes == self.successes_needed:
                self.enter("CLOSED")
                self.unshared = True
            return
        self.failures += 1
        if call.is_probe or self.failures == self.threshold:
            self.enter("OPEN", failures=self.failures)
            self.opens_until = now + self.open_time
            self.unshared = True

    def wait(self, now: float) -> float:
        if self.state == "OPEN":
            return max(0.0, self.opens_until - now)
        if self.state == "HALF_OPEN" and self.holders(now) >= self.places:
            return PROBING_WAIT
        return 0.0

    def reset(self) -> None:
        self.enter("CLOSED")
        self.unshared = False

    def adopt(
        self, version: tuple[int, str], state: str, failures: int, remaining: float, now: float
    ) -> None:
        if version <= self.version:
            return
        self.version = version
        self.unshared = False
        if state == self.state == "HALF_OPEN":
            return
        self.enter(state, failures=0 if state == "CLOSED" else failures)
        if state == "OPEN":
            self.opens_until = now + remaining
