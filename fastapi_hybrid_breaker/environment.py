"""What stands for an argument that the environment may give, and the names of its variables."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class FromEnvironment:
    """Stands for an argument that was not given."""

    def __repr__(self) -> str:
        return "from the environment"


FROM_ENVIRONMENT: Final = FromEnvironment()


def variable_of(field: str) -> str:
    """Return the variable that a field or an argument is taken from."""
    return "CIRCUIT_REDIS_URL" if field == "redis" else f"CIRCUIT_{field.upper()}"


@contextmanager
def naming_variables(fields: Collection[str]) -> Iterator[None]:
    """Make errors about one of ``fields``, which came from the environment, name its variable.

    The checks of values begin with the field's name; nobody has written that one anywhere.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        field = str(error).partition(" ")[0]
        if field not in fields:
            raise
        raise type(error)(f"{variable_of(field)} in the environment: {error}") from None
