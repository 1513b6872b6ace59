"""A circuit's override, as the fleet's register has it and as messages repeat it."""

# No "from __future__ import annotations" here: pydantic reads the annotations at run time.

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from fastapi_hybrid_breaker.core.override import OverrideKind, OverrideNews, OverrideView
from fastapi_hybrid_breaker.core.versions import horizon_at

from .values import (
    InstanceName,
    MalformedError,
    Number,
    OrElse,
    ShownText,
    Version,
    WireModel,
    read_flat_json,
    wire_names,
)

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.circuit_core import CircuitCore

CLEARED: Final = "-"
"""Stands for no override, after there was one; as the mode, for one that is over."""

_REGISTER: Final = re.compile(r"([0-9]+)\|([0-9A-Za-z]+)\|([a-z_-]+)\|([0-9]+)\|(.*)", re.DOTALL)


class About(WireModel):
    """Who set or cleared an override, what for, and the mode that it sets."""

    what: ClassVar[str] = "override"

    mode: Annotated[Literal["shadow", "enforced", "-"] | None, OrElse(None)] = None
    by: ShownText = ""
    reason: ShownText = ""


class SharedOverride(WireModel):
    """A circuit's override, as the register has it and as messages repeat it.

    Processes of 0.3 know the kinds that set a state, and drop a message with any other as a
    whole. So an override that sets the mode has the kind of one that was cleared, and what it is
    stands in ``about``.
    """

    what: ClassVar[str] = "override"

    version: Version
    writer: InstanceName
    state_kind: Literal["forced_open", "disabled", "-"] = Field(alias="kind")
    ends: Number = 0
    about: Annotated[About, OrElse(About())] = About()

    @classmethod
    def read_register(cls, text: str) -> "SharedOverride":
        """Read the register's text: version, writer, kind, end, and JSON of who and why.

        Raises:
            MalformedError: it is not in the format.
        """
        parts = _REGISTER.fullmatch(text)
        if parts is None:
            raise MalformedError("malformed override: not version|writer|kind|ends|about")
        fields: dict[str, Any] = dict(zip(wire_names(cls), parts.groups(), strict=True))
        try:
            fields["about"] = read_flat_json(parts[5])
        except ValueError as error:
            raise MalformedError(f"malformed override: {error}"[:200]) from None
        return cls.read(fields)

    @property
    def mode(self) -> str | None:
        """The mode that it sets, ``CLEARED`` where that is over; None: it is not about a mode."""
        return self.about.mode if self.state_kind == CLEARED else None

    @property
    def kind(self) -> OverrideKind | None:
        """What the override does; None: it was cleared."""
        kind = self.mode or self.state_kind
        return None if kind == CLEARED else OverrideKind(kind)

    @property
    def ends_at(self) -> float:
        """When it ends, epoch seconds by the server's clock; 0.0: when it is cleared."""
        return self.ends / 1000

    def has_lost_mode_of(self, core: "CircuitCore") -> bool:
        """Whether a process of 0.3 has written an override back that sets a mode.

        To such a process it is one that was cleared: the mode is missing.
        """
        override = core.override.current
        is_same = (self.version, self.writer) == (core.override.version, core.override.writer)
        sets_mode = override is not None and override.kind.state is None
        return is_same and sets_mode and self.state_kind == CLEARED and self.mode is None

    def news(self, server_now: float | None) -> OverrideNews | None:
        """Return what a circuit can apply; None as long as the server's time is not known."""
        horizon, kind = horizon_at(server_now), self.kind
        by, reason = self.about.by, self.about.reason
        view = None
        if kind is not None:
            remaining = None
            if self.ends:
                if server_now is None:
                    return None
                remaining = max(0.0, self.ends_at - server_now)
            if remaining != 0.0:  # what is over is as good as cleared
                view = OverrideView(kind, by, reason, remaining)
        if view is None and kind is not None:
            # An override that expires is not ended by whoever set it.
            return OverrideNews(self.version, self.writer, None, horizon=horizon)
        return OverrideNews(self.version, self.writer, view, by=by, reason=reason, horizon=horizon)
