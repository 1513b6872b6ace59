"""What a circuit guards: a service that can be sick, and counts who calls it and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


class SickError(Exception):
    """What an upstream raises that does not work."""


@dataclass(eq=False)
class Sickness:
    """A share of calls that fail; ``callers`` is empty where it concerns all."""

    share: float
    callers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """What an upstream went through.

    Args:
        key: of its circuit.
        calls: that reached it.
        failures: that of them failed.
        rejected: calls that did not reach it, because their circuit was open.
        probes: calls of circuits that were not CLOSED.
        most_at_once: how many calls ran at the same time.
        most_probes_at_once: how many probes did.
    """

    key: str
    calls: int
    failures: int
    rejected: int
    probes: int
    most_at_once: int
    most_probes_at_once: int

    def __str__(self) -> str:
        return (
            f"{self.key}: {self.calls} calls, {self.failures} failed, {self.rejected} rejected;"
            f" at most {self.most_at_once} at once;"
            f" {self.probes} probes, at most {self.most_probes_at_once} at once"
        )


@dataclass(eq=False, slots=True)
class Probing:
    """A probe that runs: whose it is, since when, and whether its instance had the lease then."""

    caller: int
    since: float
    has_lease: bool


@dataclass
class Upstream:
    """One service behind a circuit.

    Args:
        key: of the circuit.
        random: decides which calls fail.
        noise: the share of calls that fail while it is well.
    """

    key: str
    random: Random
    noise: float = 0.0
    calls: int = 0
    failures: int = 0
    rejected: int = 0
    running: int = 0
    probes: int = 0
    probing: list[Probing] = field(default_factory=list)
    """The probes that run now; a probe is a call of a circuit that is not CLOSED."""
    most_at_once: int = 0
    most_probes_at_once: int = 0
    sicknesses: list[Sickness] = field(default_factory=list)

    def begin(self, probe: Probing | None = None) -> None:
        """Count a call; None: it is no probe."""
        self.calls += 1
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        if probe is not None:
            self.probes += 1
            self.probing.append(probe)
            self.most_probes_at_once = max(self.most_probes_at_once, len(self.probing))

    def end(self, probe: Probing | None = None) -> None:
        """Be done with a call, however it ended."""
        self.running -= 1
        if probe is not None:
            self.probing.remove(probe)

    def answer(self, caller: int) -> None:
        """Answer a call.

        Raises:
            SickError: it fails.
        """
        share = self.share_of(caller)
        if share and self.random.random() < share:
            self.failures += 1
            raise SickError

    def figures(self) -> Figures:
        """Return what it has counted."""
        return Figures(
            self.key,
            self.calls,
            self.failures,
            self.rejected,
            self.probes,
            self.most_at_once,
            self.most_probes_at_once,
        )

    def share_of(self, caller: int) -> float:
        """Return the share of a caller's calls that fail at present."""
        shares = [one.share for one in self.sicknesses if not one.callers or caller in one.callers]
        return max(shares, default=self.noise)
