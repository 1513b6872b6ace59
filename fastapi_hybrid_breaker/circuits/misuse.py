"""An error at once where something callable is used as a dependency of FastAPI and is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class NotADependency:
    """Metadata of a parameter: whoever makes a dependency of its function reads what to write.

    FastAPI takes the parameters of a dependency from the request. For those it has pydantic make
    schemas, which asks the metadata of their annotations: as soon as the route is added.

    Args:
        instead: what is wrong, and what to write instead.
    """

    instead: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Refuse to describe what a request would have to hold.

        Raises:
            TypeError: always.
        """
        raise TypeError(self.instead)


DEPENDS_ON_A_CIRCUIT: Final = NotADependency(
    "a Circuit is not a dependency, so Depends(breaker.circuit(...)) guards nothing: write"
    ' Depends(circuit("key")) with `from fastapi_hybrid_breaker import circuit`'
)
"""Of the parameter of a circuit as a decorator."""
