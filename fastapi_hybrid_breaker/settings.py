"""What the environment says, where the code says nothing: variables that begin ``CIRCUIT_``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr  # noqa: TC002 - pydantic reads annotations at run time
from pydantic_settings import BaseSettings, SettingsConfigDict

from .core.config import CircuitConfig, Mode, Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


class FromEnvironment:
    """Stands for an argument that was not given."""

    def __repr__(self) -> str:
        return "from the environment"


FROM_ENVIRONMENT: Final = FromEnvironment()


def variable_of(field: str) -> str:
    """Give the variable that a field or an argument is taken from."""
    return "CIRCUIT_REDIS_URL" if field == "redis" else f"CIRCUIT_{field.upper()}"


@contextmanager
def naming_variables(fields: Collection[str]) -> Iterator[None]:
    """Have errors about one of ``fields``, which came from the environment, name its variable.

    The checks of values begin with the field's name; nobody has written that one anywhere.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        field = str(error).partition(" ")[0]
        if field not in fields:
            raise
        raise type(error)(f"{variable_of(field)} in the environment: {error}") from None


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
