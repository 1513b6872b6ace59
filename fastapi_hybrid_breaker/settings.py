"""Reads what the code leaves out from variables that begin ``CIRCUIT_``; imported when used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from .core.config import CircuitConfig, Mode, Scope
from .environment import naming_variables, variable_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def _whole(value: object) -> object:
    """Read digits and nothing else: ``1.0`` or ``1_0`` would silently become another number."""
    if isinstance(value, str):
        text = value.strip()
        if not (text.isascii() and text.isdigit()):
            raise ValueError("must be a whole number in digits, such as 5")
        return int(text)
    if isinstance(value, bool | float):
        raise ValueError("must be a whole number, such as 503")  # noqa: TRY004 - pydantic's way
    return value


def _seconds(value: object) -> object:
    if isinstance(value, str) and "_" in value:
        raise ValueError("must be a number of seconds, such as 2.5")
    return value


def _quorum(value: object) -> object:
    """Read digits as a count, anything else as a share: ``1.0`` is refused, as in code."""
    if not isinstance(value, str) or value.strip().isdigit():
        return _whole(value)
    try:
        return float(value if value.isascii() and "_" not in value else "")
    except ValueError:
        raise ValueError("must be a count, such as 2, or a share, such as 0.3") from None


def _statuses(value: object) -> object:
    if isinstance(value, str):  # which older releases of pydantic-settings leave as it is
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, list):
        raise ValueError("must be a JSON list of statuses, such as [500, 503]")  # noqa: TRY004
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
Statuses = Annotated[frozenset[Whole], BeforeValidator(_statuses)]


class BreakerSettings(BaseSettings):
    """``CIRCUIT_REDIS_URL``, ``CIRCUIT_NAMESPACE``, ``CIRCUIT_MAX_CIRCUITS``, and the defaults.

    Each number of ``CircuitConfig`` can be set for all circuits: ``CIRCUIT_FAILURE_THRESHOLD``,
    ``CIRCUIT_RECOVERY_TIMEOUT`` and so on; ``CIRCUIT_FAILURE_STATUSES`` is a JSON list.

    Raises:
        pydantic.ValidationError, pydantic_settings.SettingsError: a variable that cannot be read
            as what it should be; both are ValueErrors, and name the variable.
    """

    # Compose files pass variables on that are not set as empty ones.
    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        alias_generator=variable_of, extra="ignore", env_ignore_empty=True
    )

    # The URL can carry a password: as a secret it stays out of every repr and error.
    redis_url: SecretStr | None = None
    namespace: str = "circuit"
    max_circuits: Whole = 10_000
    failure_threshold: Whole | None = None
    success_threshold: Whole | None = None
    recovery_timeout: Seconds | None = None
    half_open_max_calls: Whole | None = None
    half_open_timeout: Seconds | None = None
    half_open_max_duration: Seconds | None = None
    half_open_maximum: Seconds | None = None  # the old name, with a warning
    ramp_seconds: Seconds | None = None
    mode: Mode | None = None
    scope: Scope | None = None
    quorum: Annotated[int | float | None, BeforeValidator(_quorum)] = None
    history_size: Whole | None = None
    failure_statuses: Statuses | None = None
    describe_error: Literal["type", "text"] | None = None

    def url(self) -> str | None:
        """Return the URL of Redis as it is to be used."""
        return None if self.redis_url is None else self.redis_url.get_secret_value()

    def circuit_config(self) -> CircuitConfig:
        """Return the defaults for all circuits.

        Raises:
            ValueError: a number outside its range.
        """
        given: Mapping[str, object] = self.model_dump(
            exclude={"redis_url", "namespace", "max_circuits"}, exclude_none=True
        )
        with naming_variables({*given, "half_open_max_duration"}):
            return CircuitConfig(**given)  # type: ignore[arg-type]
