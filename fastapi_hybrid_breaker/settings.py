"""Reads what the code leaves out from variables that begin ``CIRCUIT_``; imported when used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr  # noqa: TC002 - pydantic reads annotations at run time
from pydantic_settings import BaseSettings, SettingsConfigDict

from .core.config import CircuitConfig, Mode, Scope
from .environment import naming_variables, variable_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class BreakerSettings(BaseSettings):
    """``CIRCUIT_REDIS_URL``, ``CIRCUIT_NAMESPACE``, ``CIRCUIT_MAX_CIRCUITS``, and the defaults.

    Each number of ``CircuitConfig`` can be set for all circuits: ``CIRCUIT_FAILURE_THRESHOLD``,
    ``CIRCUIT_RECOVERY_TIMEOUT`` and so on; ``CIRCUIT_FAILURE_STATUSES`` is a JSON list.

    Raises:
        pydantic.ValidationError, pydantic_settings.SettingsError: a variable that cannot be read
            as what it should be; both are ValueErrors, and name the variable.
    """

    # Compose files pass variables on that are not set as empty ones.
    model_config = SettingsConfigDict(
        alias_generator=variable_of, extra="ignore", env_ignore_empty=True
    )

    # The URL can carry a password: as a secret it stays out of every repr and error.
    redis_url: SecretStr | None = None
    namespace: str = "circuit"
    max_circuits: int = 10_000
    failure_threshold: int | None = None
    success_threshold: int | None = None
    recovery_timeout: float | None = None
    half_open_max_calls: int | None = None
    half_open_timeout: float | None = None
    half_open_maximum: float | None = None
    ramp_seconds: float | None = None
    mode: Mode | None = None
    scope: Scope | None = None
    quorum: int | float | None = None
    history_size: int | None = None
    failure_statuses: frozenset[int] | None = None

    def url(self) -> str | None:
        """Give the URL of Redis as it is to be used."""
        return None if self.redis_url is None else self.redis_url.get_secret_value()

    def circuit_config(self) -> CircuitConfig:
        """Give the defaults for all circuits.

        Raises:
            ValueError: a number outside its range.
        """
        given: Mapping[str, object] = self.model_dump(
            exclude={"redis_url", "namespace", "max_circuits"}, exclude_none=True
        )
        with naming_variables(given):
            return CircuitConfig(**given)  # type: ignore[arg-type]
