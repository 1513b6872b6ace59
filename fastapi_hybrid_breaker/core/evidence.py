"""What a change of state was decided on, to be shown, kept and sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .error_text import text_of

DescribeError: TypeAlias = Literal["type", "text"] | Callable[[BaseException], str]
"""What is kept of an exception: its type, its type and text without secrets, or what a function
returns."""

LONGEST_ERROR = 200
"""Characters of an error's text that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why a circuit changed, in the figures of that moment.

    Args:
        cause: the cause as the deciding process saw it, a value of ``Cause``; "" if unknown.
        rule: the rule that was fulfilled, in words; "" where none was.
        failures: the run of failures.
        successes: successful probes.
        window: the rule's window, in words; "" for a rule without one.
        calls, failed, slow: calls in that window, failures and slow calls among them; 0
            without a window.
        error: the last error, as ``CircuitConfig.describe_error`` says; never a response's body.
        by, reason: who reset the circuit, or set or ended an override, and what for.
    """

    cause: str = ""
    rule: str = ""
    failures: int = 0
    successes: int = 0
    window: str = ""
    calls: int = 0
    failed: int = 0
    slow: int = 0
    error: str = ""
    by: str = ""
    reason: str = ""


NO_EVIDENCE = Evidence()


def describe_error(error: object, how: DescribeError = "text") -> str:
    """Return an exception as it is logged, shared and shown, or a text, on one line and cut.

    Args:
        error: the exception, or a text of ours.
        how: ``CircuitConfig.describe_error``.
    """
    if not isinstance(error, BaseException):
        return _on_one_line(str(error or ""))
    name = type(error).__name__
    try:
        if callable(how):
            told: object = how(error)
            return _on_one_line(told if isinstance(told, str) else name)
        told = "" if how == "type" else text_of(error)
        return _on_one_line(f"{name}: {told}" if told else name)
    except Exception:  # noqa: BLE001 - functions and texts of strangers can raise anything
        return _on_one_line(name if callable(how) else f"{name} (its text cannot be had)")


def _on_one_line(text: str) -> str:
    text = text[:LONGEST_ERROR]  # first: a text can be long
    if text.isprintable():
        return text
    # Control characters would forge log lines.
    return "".join(char if char.isprintable() else " " for char in text)
