"""What must hold of a fleet, whatever has happened to it: one subject per file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .agreement import AllAgree
from .memory import MemoryIsBounded
from .merged import MergedFailuresOpen
from .merged_rates import MergedRatesOpen
from .overrides import OverridesHold
from .probes import ProbesStayWithinBudget
from .quiet import HealthyCallsSendNothing
from .quorum import OverridesReachAll, QuorumOpensEverywhere
from .recovery import NothingRejectsForEver
from .versions import OneStateForEachVersion, VersionsNeverGoBack

if TYPE_CHECKING:
    from .invariant import Invariant

SWITCHED_ON: Final[tuple[type[Invariant], ...]] = (
    VersionsNeverGoBack,
    OneStateForEachVersion,
    AllAgree,
    NothingRejectsForEver,
    OverridesHold,
    MemoryIsBounded,
    HealthyCallsSendNothing,
    QuorumOpensEverywhere,
    OverridesReachAll,
    MergedFailuresOpen,
    MergedRatesOpen,
    ProbesStayWithinBudget,
)
"""What every scenario is checked for."""

NOT_YET: Final[tuple[type[Invariant], ...]] = ()
"""What the present protocol cannot hold: move it up with the change that makes it hold."""
