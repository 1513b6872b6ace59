"""What the pages that show circuits say, as pydantic models."""

# No "from __future__ import annotations" here: pydantic reads the annotations at run time.

from dataclasses import asdict
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.states import CircuitState, CircuitView
from fastapi_hybrid_breaker.fleet.status import SyncState


class ConfigInfo(BaseModel):
    """How a circuit decides, defaults filled in."""

    failure_threshold: int = Field(description="Failures in a row that open it.")
    success_threshold: int = Field(description="Successful probes that close it.")
    recovery_timeout: float = Field(description="Seconds it stays OPEN.")
    half_open_max_calls: int = Field(description="Probes that run at once.")
    half_open_timeout: float = Field(description="Seconds a probe may take.")
    failure_exceptions: list[str] = Field(description="Exceptions that count as failures.")
    ignored_exceptions: list[str] = Field(description="Exceptions that give no verdict.")
    failure_statuses: list[int] | None = Field(
        description="HTTP statuses that count as failures; null: 500 and above."
    )

    @classmethod
    def of(cls, config: CircuitConfig) -> Self:
        """Show a configuration."""
        statuses = config.failure_statuses
        return cls(
            failure_threshold=config.failure_threshold,
            success_threshold=config.success_threshold,
            recovery_timeout=config.recovery_timeout,
            half_open_max_calls=config.probe_places,
            half_open_timeout=config.probe_timeout,
            failure_exceptions=[_name(kind) for kind in config.failure_exceptions],
            ignored_exceptions=[_name(kind) for kind in config.ignored_exceptions],
            failure_statuses=None if statuses is None else sorted(statuses),
        )


class CircuitInfo(BaseModel):
    """A circuit at one moment, as the answering process knows it."""

    key: str = Field(description="Its name in the whole fleet.")
    state: CircuitState = Field(description="OPEN lasts until a call comes after the open time.")
    failures: int = Field(description="The run of failures, or the run that opened it.")
    successes: int = Field(description="Successful probes of this recovery.")
    next_attempt: float | None = Field(
        description="When an OPEN circuit admits a probe: epoch seconds; else null."
    )
    retry_after: float = Field(description="Seconds until a call may be admitted.")
    rejected: int = Field(description="Calls that this process has rejected.")
    version: int = Field(description="The fleet's number of this state; 0: never shared.")
    config: ConfigInfo

    @classmethod
    def of(cls, view: CircuitView) -> Self:
        """Show a circuit."""
        config = ConfigInfo.of(view.config)
        return cls(key=view.key, config=config, **asdict(view.stats))


class SyncInfo(BaseModel):
    """How the exchange with the fleet stands."""

    model_config = ConfigDict(from_attributes=True)

    state: SyncState = Field(description="isolated: Redis is configured and does not answer.")
    since: float = Field(description="When it became so: epoch seconds.")
    instance: str = Field(description="The answering process's name in the fleet.")
    sent: int = Field(description="Commands that Redis has answered.")
    received: int = Field(description="Messages of other processes taken in.")
    dropped: int = Field(description="Messages and hashes refused.")


class CircuitList(BaseModel):
    """All circuits that the answering process knows or has declared, by key."""

    circuits: list[CircuitInfo]
    sync: SyncInfo


def _name(kind: type) -> str:
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
