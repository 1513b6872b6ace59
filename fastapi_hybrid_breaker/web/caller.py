"""Who asks the admin router: a name that its ``auth`` gives, or the request."""

# No "from __future__ import annotations" here: FastAPI reads the annotations of the endpoints.

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.security.base import SecurityBase

from fastapi_hybrid_breaker.core.checks import LONGEST_TEXT, check_text
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

from .credentials import holds_secret, is_credential

WHEN_NAMED: Final = "Where auth gives a name, that one counts instead."

NAMED_HEADER: Final = "X-Circuit-Caller"
"""Says ``named`` where ``auth`` names the caller, else ``unnamed``: then the request has to."""

AT_MOST: Final = f"At most {LONGEST_TEXT} printable characters."

_NAMES: Final = ("sub", "username", "name", "email")

_NOT_A_NAME: Final = (
    "what auth returns stands in the request's own credentials, so it is not taken as the caller's"
    " name, which everybody can read; have auth return a name, or None"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, as far as ``auth`` knows.

    Args:
        found: the name in what ``auth`` gave, unchecked; None where there is none.
        is_secret: whether a text is one of the secrets that the request shows.
    """

    found: str | None
    is_secret: Callable[[str], bool]

    def by(self, said: str | None) -> str | None:
        """Return who acts: the name that ``auth`` gives, or else what the request says.

        Raises:
            ValueError: a name that is too long or not printable; or a secret of the request.
        """
        if self.found is not None:
            return check_text("by, as auth gives it,", self.found)
        if said and self.is_secret(said):
            raise ValueError("by must be a name, not one of the request's own credentials")
        return said

    def why(self, reason: str) -> str:
        """Return the reason that the request gives, which everybody can read.

        Raises:
            ValueError: it holds a secret of the request.
        """
        if reason and self.is_secret(reason):
            raise ValueError("reason must not hold one of the request's own credentials")
        return reason

    def named(self) -> str:
        """Return whether there is a name, as ``NAMED_HEADER`` says it."""
        return "unnamed" if self.found is None else "named"

    def said(self, by: str, reason: str) -> dict[str, str]:
        """Return who acts and why, of an action that needs neither.

        Raises:
            ValueError: a text that is too long or not printable; or a secret of the request.
        """
        return {
            "by": self.by(None) or self.by(check_text("by", by, least=0)) or "",
            "reason": self.why(check_text("reason", reason, least=0)),
        }


class Callers:
    """Finds the callers' names in what an ``auth`` returns.

    Args:
        auth: the callable of the dependency; None: nobody is asked.

    ``name_nobody`` says that callers always have to name themselves, ``asked`` is the dependency
    that finds the ``Caller``.
    """

    def __init__(self, auth: Callable[..., Any] | None) -> None:
        auth = _nobody if auth is None else auth
        self.name_nobody: bool = _returns_none(auth)
        # What a bare scheme such as OAuth2PasswordBearer gives is the secret.
        gives_secrets = isinstance(auth, SecurityBase)
        refused = ThrottledLog(time.monotonic, "admin router: ")

        # The same callable as the router's own dependency, so FastAPI asks it once per request.
        async def identify(request: Request, given: Annotated[Any, Depends(auth)]) -> Caller:
            found = _find_name(given)
            if found is not None and gives_secrets and isinstance(given, str):
                found = None
            elif found is not None and is_credential(found, request):
                refused.warn(_NOT_A_NAME)
                found = None
            return Caller(found, partial(holds_secret, request=request))

        self.asked: Any = Depends(identify)


def _returns_none(auth: Callable[..., Any]) -> bool:
    """Whether ``auth`` is annotated so, as ``bearer_token`` is."""
    try:
        return inspect.signature(auth).return_annotation in {None, "None"}
    except (TypeError, ValueError):  # no signature; or an annotation that cannot be hashed
        return False


async def _nobody() -> None:
    """Stand in for ``auth`` where there is none."""


def _find_name(caller: object) -> str | None:
    """Return the name in what ``auth`` gives: itself, or the first of the fields that has one."""
    if isinstance(caller, str):
        return caller or None
    for field in _NAMES:
        try:
            found = (
                caller.get(field) if isinstance(caller, Mapping) else getattr(caller, field, None)
            )
            if isinstance(found, str) and found:
                return found
        except Exception:  # noqa: BLE001, S112 - a row of a database whose session has ended
            continue
    return None
