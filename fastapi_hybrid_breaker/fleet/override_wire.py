"""Overrides on their way through Redis: in messages, and as the register keeps them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from fastapi_hybrid_breaker.core.evidence import describe_error
from fastapi_hybrid_breaker.core.override import OverrideKind, OverrideNews, OverrideView
from fastapi_hybrid_breaker.core.versions import horizon_at

from .fields import MalformedError, read_flat_json, read_time, read_version, read_writer

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.circuit_core import CircuitCore

CLEARED: Final = "-"
"""Stands for no override, after there was one; as the mode, for one that is over."""

_REGISTER: Final = re.compile(r"([0-9]+)\|([0-9A-Za-z]+)\|([a-z_-]+)\|([0-9]+)\|(.*)", re.DOTALL)

_STATE_KINDS: Final = frozenset(kind for kind in OverrideKind if kind.state is not None)
"""What can stand as the kind. Processes of 0.3 drop a message with any other one as a whole, and
the state in it. So an override that sets the mode is to them one that was cleared, and what it is
stands beside who and why."""


@dataclass(frozen=True, slots=True)
class HeardOverride:
    """What the register says of one circuit.

    Args:
        version, writer: of this setting or clearing.
        kind: None: cleared.
        ends: epoch seconds by the server's clock; 0.0: when it is cleared.
        by, reason: as they were given.
        has_mode: it says of a mode that it is set, or that it is over.
    """

    version: int
    writer: str
    kind: OverrideKind | None
    ends: float
    by: str
    reason: str
    has_mode: bool = False

    @classmethod
    def from_message(cls, said: Any) -> Self | None:
        """Read the part of a message; None where there is none.

        Raises:
            MalformedError: it is not in the format.
        """
        if said is None:
            return None
        if not isinstance(said, dict):
            raise MalformedError("an override that is none")
        return cls._read(
            said.get("version"),
            said.get("writer"),
            said.get("kind"),
            said.get("ends"),
            said.get("about"),
        )

    @classmethod
    def from_register(cls, text: str) -> Self:
        """Read the register's text: version, writer, kind, end, and JSON of who and why.

        Raises:
            MalformedError: it is not in the format.
        """
        parts = _REGISTER.fullmatch(text)
        if parts is None:
            raise MalformedError("an override that is none")
        version, writer, kind, ends, about = parts.groups()
        return cls._read(version, writer, kind, ends, read_flat_json("an override's reason", about))

    @classmethod
    def _read(cls, version: object, writer: object, kind: object, ends: object, about: Any) -> Self:
        if not isinstance(kind, str) or kind not in {CLEARED, *_STATE_KINDS}:
            raise MalformedError("an override of no known kind")
        said = about if isinstance(about, dict) else {}
        mode = said.get("mode") if kind == CLEARED else None
        if not isinstance(mode, str) or mode not in {CLEARED, *OverrideKind} - _STATE_KINDS:
            mode = None
        elif mode != CLEARED:
            kind = mode
        return cls(
            version=read_version(version),
            writer=read_writer(writer),
            kind=None if kind == CLEARED else OverrideKind(kind),
            ends=read_time("ends", ends),
            by=describe_error(said.get("by")),
            reason=describe_error(said.get("reason")),
            has_mode=mode is not None,
        )

    def has_lost_mode_of(self, core: CircuitCore) -> bool:
        """Whether a process of 0.3 has written an override back that sets a mode.

        It is to that one an override that was cleared: the mode is missing.
        """
        override = core.override.current
        is_same = (self.version, self.writer) == (core.override.version, core.override.writer)
        sets_mode = override is not None and override.kind.state is None
        return is_same and sets_mode and self.kind is None and not self.has_mode

    def news(self, server_now: float | None) -> OverrideNews | None:
        """Give what a circuit can adopt; None as long as the server's time is not known."""
        horizon = horizon_at(server_now)
        view = None
        if self.kind is not None:
            remaining = None
            if self.ends:
                if server_now is None:
                    return None
                remaining = max(0.0, self.ends - server_now)
            if remaining != 0.0:  # what is over is as good as cleared
                view = OverrideView(self.kind, self.by, self.reason, remaining)
        if view is None and self.kind is not None:
            # Who set an override does not end it when its time is up.
            return OverrideNews(self.version, self.writer, None, horizon=horizon)
        return OverrideNews(
            self.version, self.writer, view, by=self.by, reason=self.reason, horizon=horizon
        )


def dump_override(view: OverrideView) -> tuple[str, str]:
    """Write an override's kind, and the JSON of who and why."""
    if view.kind.state is not None:
        return view.kind.value, dump_about(view.by, view.reason)
    return CLEARED, dump_about(view.by, view.reason, mode=view.kind.value)


def dump_about(by: str, reason: str, **mode: str) -> str:
    """Write who and why as JSON; a mode stands first, where the script looks for it."""
    said = {**mode, "by": by, "reason": reason}
    # Not as ASCII: escapes are six bytes a letter, and the size is limited.
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))
