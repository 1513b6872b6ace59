"""What a change of state was decided on, to be shown, kept and sent."""

from __future__ import annotations

from dataclasses import dataclass


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
