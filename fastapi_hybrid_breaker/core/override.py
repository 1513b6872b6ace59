"""An operator's override, above whatever the circuit decides by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from .checks import DAY, check_seconds, check_text
from .states import CircuitState
from .versions import NO_HORIZON, is_newer

if TYPE_CHECKING:
    from .config import CircuitConfig, Mode

LONGEST = 366 * DAY
"""Seconds; what is to last longer is until it is cleared."""


class OverrideKind(StrEnum):
    """What an override does."""

    FORCED_OPEN = "forced_open"
    DISABLED = "disabled"
    SHADOW = "shadow"
    ENFORCED = "enforced"

    @property
    def state(self) -> CircuitState | None:
        """The state in force: everything is rejected, or everything admitted and not counted.

        None: the circuit's own, and only its mode is set.
        """
        return _STATES.get(self)

    @property
    def mode(self) -> Mode | None:
        """The mode in force; None: the configured one."""
        return _MODES.get(self)


_STATES: Final = {
    OverrideKind.FORCED_OPEN: CircuitState.OPEN,
    OverrideKind.DISABLED: CircuitState.CLOSED,
}

_MODES: Final[dict[OverrideKind, Mode]] = {
    OverrideKind.SHADOW: "shadow",
    OverrideKind.ENFORCED: "enforce",
}

KINDS_IN_WORDS: Final = "'forced_open', 'disabled', 'shadow' or 'enforced'"


@dataclass(frozen=True, slots=True)
class Override:
    """An override as one process holds it.

    Args:
        kind: what it does.
        by: who set it.
        reason: what for.
        deadline: when it ends, monotonic seconds of this process; None: when it is cleared.
    """

    kind: OverrideKind
    by: str
    reason: str
    deadline: float | None

    def is_over(self, now: float) -> bool:
        """Return whether it has expired."""
        return self.deadline is not None and now >= self.deadline

    def view(self, now: float) -> OverrideView:
        """Return it as pages show it."""
        return OverrideView(self.kind, self.by, self.reason, self.remaining(now))

    def remaining(self, now: float) -> float | None:
        """Seconds it has left; None: until it is cleared."""
        return None if self.deadline is None else max(0.0, self.deadline - now)


NEVER_REJECTS: Final = Override(OverrideKind.DISABLED, "max_circuits", "too many keys", None)
"""Of the circuit that keys without one of their own share."""


@dataclass(frozen=True, slots=True)
class OverrideView:
    """An override as pages show it.

    Args:
        kind, by, reason: as it was set.
        remaining: seconds it has left; None: until it is cleared.
    """

    kind: OverrideKind
    by: str
    reason: str
    remaining: float | None

    def since(self, now: float) -> Override:
        """Return it as one process holds it that has received it ``now``."""
        deadline = None if self.remaining is None else now + self.remaining
        return Override(self.kind, self.by, self.reason, deadline)


@dataclass(frozen=True, slots=True)
class OverrideNews:
    """What the fleet's register of overrides says of one circuit.

    Args:
        version: rises with every setting and clearing in the fleet.
        writer: the instance that wrote it; it parts two of the same version.
        override: kind, by, reason and the seconds remaining; None: it was cleared.
        by, reason: who cleared it, and what for.
        horizon: the highest version that counts by the server's clock; see ``versions``.
    """

    version: int
    writer: str
    override: OverrideView | None
    by: str = ""
    reason: str = ""
    horizon: float = NO_HORIZON

    def is_newer_than(self, version: int, writer: str) -> bool:
        """Return whether this comes after what ``version`` and ``writer`` name."""
        return is_newer((self.version, self.writer), (version, writer), self.horizon)


class OverrideSlot:
    """The override of one circuit, and which version of the fleet's register it stands for.

    ``unsynced``: it was set or cleared here, and the register does not know yet.
    """

    __slots__ = ("current", "unsynced", "version", "writer")

    def __init__(self) -> None:
        self.current: Override | None = None
        self.unsynced: bool = False
        self.version: int = 0
        self.writer: str = ""

    def fixed_state(self, now: float) -> CircuitState | None:
        """Return the state that an override sets, None: the circuit decides by itself."""
        if self.current is None or self.current.is_over(now):
            return None
        return self.current.kind.state

    def is_disabled(self, now: float) -> bool:
        """Return whether everything is admitted and nothing counted."""
        return self.fixed_state(now) is CircuitState.CLOSED

    def has_expired(self, now: float) -> bool:
        """Return whether there is an override whose time is up."""
        return self.current is not None and self.current.is_over(now)

    def mode(self, config: CircuitConfig, now: float | None = None) -> Mode:
        """Return the mode that an override sets, else the configured one.

        ``now``: leave out an override whose time is up, which nobody has ended yet.
        """
        current = self.current
        if current is None or (now is not None and current.is_over(now)):
            return config.mode
        return current.kind.mode or config.mode

    def accept(self, news: OverrideNews) -> bool:
        """Stand for what the register says, if it is newer; return whether it is to be followed.

        What is known here ends, too, when the register says that it is over: the first clock at
        which it ends, ends it for all.
        """
        is_known = (news.version, news.writer) == (self.version, self.writer)
        ends_ours = is_known and news.override is None and not self.unsynced
        if not ends_ours and not news.is_newer_than(self.version, self.writer):
            return False
        self.version, self.writer = news.version, news.writer
        self.unsynced = False
        return True

    def is_set_as(self, view: OverrideView) -> bool:
        """Return whether the override here is that one, come back with the server's times."""
        old = self.current
        return old is not None and (old.kind, old.by, old.reason) == (
            *(view.kind, view.by, view.reason),
        )


def make_override(
    kind: OverrideKind | str, *, by: str, reason: str, seconds: float | None, now: float
) -> Override:
    """Make an override that begins ``now``; see ``Circuit.override``.

    Raises:
        TypeError, ValueError: a value of another type or range.
    """
    if kind not in tuple(OverrideKind):
        raise ValueError(f"kind must be {KINDS_IN_WORDS}, not {kind!r:.100}")
    if seconds is not None:
        check_seconds("seconds", seconds, LONGEST)
    return Override(
        OverrideKind(kind),
        check_text("by", by),
        check_text("reason", reason),
        None if seconds is None else now + seconds,
    )
