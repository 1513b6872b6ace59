"""Who asks the admin router: a name that its ``auth`` gives, or the request."""

# No "from __future__ import annotations" here: FastAPI reads the annotations of the endpoints.

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import Depends
from fastapi.security.base import SecurityBase

from fastapi_hybrid_breaker.core.checks import LONGEST_TEXT, check_text

WHEN_NAMED: Final = "Where auth gives a name, that one counts instead."

NAMED_HEADER: Final = "X-Circuit-Caller"
"""Says ``named`` where ``auth`` names the caller, else ``unnamed``: then the request has to."""

AT_MOST: Final = f"At most {LONGEST_TEXT} printable characters."

_NAMES: Final = ("sub", "username", "name", "email")


class Callers:
    """What an ``auth`` tells of callers.

    Args:
        auth: the callable of the dependency; None: nobody is asked.
    """

    def __init__(self, auth: Callable[..., Any] | None) -> None:
        # The same callable as the router's own dependency, so FastAPI asks it once per request.
        self.asked = Depends(_nobody if auth is None else auth)
        # What a bare scheme such as OAuth2PasswordBearer gives is the secret, which a history
        # that all can read must not name.
        self._gives_secrets = isinstance(auth, SecurityBase)

    def name_of(self, caller: object) -> str | None:
        """Give the name in what ``auth`` gave; None where there is none.

        Raises:
            ValueError: it is too long or not printable.
        """
        name = self._find(caller)
        return None if name is None else check_text("by, as auth gives it,", name)

    def named(self, caller: object) -> str:
        """Tell whether it has a name, as ``NAMED_HEADER`` says it."""
        return "unnamed" if self._find(caller) is None else "named"

    def said(self, caller: object, by: str, reason: str) -> dict[str, str]:
        """Give who acts and why, of an act that needs neither.

        Raises:
            ValueError: a text that is too long or not printable.
        """
        return {
            "by": self.name_of(caller) or check_text("by", by, least=0),
            "reason": check_text("reason", reason, least=0),
        }

    def _find(self, caller: object) -> str | None:
        is_secret = self._gives_secrets and isinstance(caller, str)
        return None if is_secret else _find_name(caller)


async def _nobody() -> None:
    """Stand in for ``auth`` where there is none."""


def _find_name(caller: object) -> str | None:
    """Give the name in what ``auth`` gives: itself, or the first of the fields that has one."""
    if isinstance(caller, str):
        return caller or None
    for field in _NAMES:
        found = caller.get(field) if isinstance(caller, Mapping) else getattr(caller, field, None)
        if isinstance(found, str) and found:
            return found
    return None
