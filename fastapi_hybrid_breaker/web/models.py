"""What the pages that show circuits say, as pydantic models."""

# No "from __future__ import annotations" here: pydantic reads the annotations at run time.

from collections.abc import Callable
from dataclasses import fields
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from fastapi_hybrid_breaker.core.config import DEFAULT_THRESHOLD, CircuitConfig, Mode, Scope
from fastapi_hybrid_breaker.core.override import OverrideKind
from fastapi_hybrid_breaker.core.states import Cause, CircuitState, CircuitStats, CircuitView
from fastapi_hybrid_breaker.fleet.status import SyncState
from fastapi_hybrid_breaker.health import HealthStatus


class BackoffInfo(BaseModel):
    """How recovery timeouts grow."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    multiplier: float = Field(description="Each opening in a row lasts so many times longer.")
    maximum: float = Field(description="Seconds, at most.")
    jitter: float = Field(description="Share by which a time varies by chance.")
    reset_after: float | None = Field(
        description="Seconds closed after which the row ends; null: as recovery_timeout."
    )


class ConfigInfo(BaseModel):
    """How a circuit decides, defaults filled in."""

    mode: Mode = Field(description="shadow: calls that would be rejected are only counted.")
    scope: Scope = Field(description="instance: each process decides for itself alone.")
    quorum: int | float = Field(
        description="Instances, or the share of them, that must see trouble to open it for all."
    )
    failure_threshold: int | None = Field(
        description="Failures in a row that open it; null where other rules do."
    )
    trip: list[str] = Field(description="The rules that open it, any of them, in words.")
    success_threshold: int = Field(description="Successful probes that close it.")
    recovery_timeout: float = Field(description="Seconds it stays OPEN.")
    backoff: BackoffInfo | None = Field(description="Longer times for openings in a row.")
    retry_after_limits: tuple[float, float] | None = Field(
        description="Least and most seconds that a Retry-After header may set."
    )
    half_open_max_calls: int = Field(description="Probes that run at once.")
    half_open_timeout: float = Field(description="Seconds a probe may take.")
    half_open_max_duration: float | None = Field(description="Seconds it may stay HALF_OPEN.")
    half_open_maximum: float | None = Field(
        description="The old name of half_open_max_duration.", deprecated=True
    )
    ramp_seconds: float | None = Field(description="Seconds of growing shares after a recovery.")
    ramp_shares: tuple[float, ...] = Field(description="The shares of calls that are admitted.")
    failure_exceptions: list[str] = Field(description="Exceptions that count as failures.")
    success_exceptions: list[str] = Field(description="Exceptions that count as successes.")
    ignored_exceptions: list[str] = Field(description="Exceptions that are not counted.")
    failure_result: str | None = Field(description="Which returned values are failures.")
    failure_statuses: list[int] | None = Field(
        description="HTTP statuses that count as failures; null: 500 and above."
    )
    history_size: int = Field(description="Changes that are remembered.")

    @classmethod
    def of(cls, config: CircuitConfig) -> Self:
        """Show a configuration."""
        statuses = config.failure_statuses
        return cls(
            mode=config.mode,
            scope=config.scope,
            quorum=config.quorum,
            failure_threshold=config.failure_threshold
            or (DEFAULT_THRESHOLD if config.trip is None else None),
            trip=[str(rule) for rule in config.rules],
            success_threshold=config.success_threshold,
            recovery_timeout=config.recovery_timeout,
            backoff=None if config.backoff is None else BackoffInfo.model_validate(config.backoff),
            retry_after_limits=config.retry_after_limits,
            half_open_max_calls=config.probe_places,
            half_open_timeout=config.probe_timeout,
            half_open_max_duration=config.half_open_max_duration,
            half_open_maximum=config.half_open_max_duration,
            ramp_seconds=config.ramp_seconds,
            ramp_shares=config.ramp_shares,
            failure_exceptions=_names(config.failure_exceptions),
            success_exceptions=_names(config.success_exceptions),
            ignored_exceptions=_names(config.ignored_exceptions),
            failure_result=None if config.failure_result is None else _name(config.failure_result),
            failure_statuses=None if statuses is None else sorted(statuses),
            history_size=config.history_size,
        )


class OverrideInfo(BaseModel):
    """A manual override."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    kind: OverrideKind
    by: str = Field(description="Who set it.")
    reason: str = Field(description="What for.")
    remaining: float | None = Field(description="Seconds left; null: until it is cleared.")


class EvidenceInfo(BaseModel):
    """What a change was decided on."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    cause: str = Field(description="The cause as the deciding process saw it.")
    rule: str = Field(description="The rule that was fulfilled, in words.")
    failures: int = Field(description="Consecutive failures.")
    successes: int = Field(description="Successful probes.")
    window: str = Field(description="The rule's window, in words.")
    calls: int = Field(description="Calls in the window.")
    failed: int = Field(description="Failures in the window.")
    slow: int = Field(description="Slow calls in the window.")
    error: str = Field(description="Type and text of the last error, cut.")
    by: str = Field(description="Who reset it, or set or ended an override.")
    reason: str = Field(description="What for.")


class ChangeInfo(BaseModel):
    """One change of a circuit."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    time: float = Field(description="When it took effect here: epoch seconds.")
    old: CircuitState
    new: CircuitState
    cause: Cause = Field(description="fleet: decided by another process; see the evidence.")
    instance: str = Field(description="The process that decided; empty outside of a fleet.")
    evidence: EvidenceInfo


class CircuitInfo(BaseModel):
    """A circuit at one moment, as the answering process knows it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    key: str = Field(description="Its name in the whole fleet.")
    state: CircuitState = Field(
        description="OPEN lasts until a call comes after the recovery timeout."
    )
    ready_to_probe: bool = Field(
        description="The recovery timeout has elapsed and nobody calls: the next call is admitted."
    )
    failures: int = Field(description="Consecutive failures, or those that opened it.")
    successes: int = Field(description="Successful probes of this recovery.")
    next_attempt: float | None = Field(
        description="From when on an OPEN circuit admits a probe: epoch seconds; else null."
    )
    retry_after: float = Field(description="Seconds until a call may be admitted.")
    rejected: int = Field(description="Calls that this process has rejected.")
    version: int = Field(description="The fleet's number of this state; 0: never shared.")
    calls: int | None = Field(description="Calls in the first rule's window; null: it has none.")
    failure_rate: float | None = Field(description="Failures among them, 0 to 1.")
    slow_rate: float | None = Field(description="Slow calls, 0 to 1; null: not measured.")
    reopenings: int = Field(description="Openings in a row without a lasting recovery.")
    mode: Mode = Field(description="shadow: nothing is rejected. As configured, or overridden.")
    shadowed: int = Field(description="Calls that would have been rejected but for shadow mode.")
    shadowed_failures: int = Field(description="Those of them that failed.")
    alone: bool = Field(description="Its state binds only the answering process.")
    override: OverrideInfo | None = Field(description="What an operator has set.")
    config: ConfigInfo

    @classmethod
    def of(cls, view: CircuitView, config: ConfigInfo) -> Self:
        """Show a circuit; most share their configuration, so that it is made once for all."""
        return cls(key=view.key, config=config, **figures_of(view.stats))


class CircuitDetail(CircuitInfo):
    """A circuit with its last changes, which say why it is as it is."""

    history: list[ChangeInfo] = Field(description="Oldest first.")
    open_at: list[str] = Field(
        description="Processes where it is open for themselves alone, by scope or quorum."
    )

    @classmethod
    def of_view(cls, view: CircuitView) -> Self:
        """Show a circuit."""
        return cls(
            key=view.key,
            config=ConfigInfo.of(view.config),
            history=[ChangeInfo.model_validate(change) for change in view.history],
            open_at=list(view.open_at),
            **figures_of(view.stats),
        )


class SyncInfo(BaseModel):
    """How the exchange with the fleet stands."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    state: SyncState = Field(description="isolated: Redis is configured and cannot be used.")
    since: float = Field(description="When it became so: epoch seconds.")
    instance: str = Field(description="The answering process's name in the fleet.")
    sent: int = Field(description="Commands that Redis has answered.")
    received: int = Field(description="Messages of other processes taken in.")
    dropped: int = Field(description="Messages and hashes refused.")
    queued: int = Field(description="Circuits about which something waits to be sent.")
    lag: float | None = Field(
        description="Seconds that the last change of another process took to get here; null: none."
    )
    corrected: int = Field(description="Changes whose message did not arrive in time.")
    orders: list[str] = Field(
        description="Circuits with an action given here that the fleet does not have yet."
    )
    error: str | None = Field(
        description="Why nothing is shared, and what to do about it; null: it is, or need not be."
    )


class TroubleInfo(BaseModel):
    """A circuit as another process last reported it, every 5 seconds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    state: CircuitState
    rejecting: float = Field(description="Calls that it rejected, per second.")
    ready_to_probe: bool = Field(
        description="Its recovery timeout has elapsed and nobody calls it there."
    )
    shadowed: int | None = Field(
        description="Calls that it would have rejected but for shadow mode; null: not in that mode."
    )
    shadowed_failures: int = Field(description="Those of them that failed.")


class InstanceInfo(BaseModel):
    """A process of the fleet."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    id: str = Field(description="Its name in the fleet, made at its start.")
    host: str = Field(description="The name of its machine.")
    started: float = Field(description="Epoch seconds, by its own clock.")
    last_seen: float = Field(description="Epoch seconds, by the clock of Redis.")
    sync: str = Field(description="isolated: no heartbeat for 15 seconds.")
    library: str = Field(description="The version of this library that it runs.")
    circuits: dict[str, TroubleInfo] | None = Field(
        description="What it last said of circuits that are not CLOSED there, or reject calls;"
        " null: it runs a version that does not report it."
    )
    more: int = Field(description="How many more such circuits it has.")


class FleetInfo(BaseModel):
    """The processes that share circuits; none are known while Redis does not answer."""

    instances: list[InstanceInfo] = Field(description="The oldest first.")
    sync: SyncInfo = Field(description="How the answering process stands to them.")


class HealthInfo(BaseModel):
    """What keeps the answering process from some of its work."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    status: HealthStatus = Field(
        description="degraded: a circuit rejects or is being probed, or Redis does not answer. No"
        " reason to restart anything."
    )
    open: list[str] = Field(description="Circuits that reject calls.")
    half_open: list[str] = Field(description="Circuits that let probes through.")
    ready_to_probe: list[str] = Field(
        description="Circuits whose recovery timeout has elapsed and that nobody calls."
    )
    overridden: list[str] = Field(description="Circuits with a manual override.")
    sync: SyncInfo


class CircuitList(BaseModel):
    """A page of the circuits that the answering process knows or has declared."""

    circuits: list[CircuitInfo] = Field(description="In the order of their keys.")
    next: str | None = Field(
        description="`after` of the next page: the last key of this one; null: it is the last page."
    )
    total: int = Field(description="Circuits that fit `state` and `q`, on all pages.")
    sync: SyncInfo


def figures_of(stats: CircuitStats) -> dict[str, Any]:
    """Return the figures by name; ``dataclasses.asdict`` copies them all, and takes as long."""
    return {name: getattr(stats, name) for name in _FIGURES}


_FIGURES: Final = tuple(one.name for one in fields(CircuitStats))


def _names(kinds: tuple[type[BaseException], ...] | Callable[..., bool]) -> list[str]:
    return [_name(kind) for kind in (kinds if isinstance(kinds, tuple) else (kinds,))]


def _name(kind: Callable[..., object]) -> str:
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{getattr(kind, '__qualname__', repr(kind))}"
