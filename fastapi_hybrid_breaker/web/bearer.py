"""A ready ``auth`` for the admin router: a secret that callers show as a bearer token."""

# No "from __future__ import annotations" here: FastAPI reads the annotations of the dependency.

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import HTTPException, Request
from fastapi.security.utils import get_authorization_scheme_param

SHORTEST: Final = 16
"""Characters that a secret must have: shorter ones can be guessed."""


def bearer_token(*accepted: str) -> Callable[..., Awaitable[None]]:
    """Make a dependency that lets in who sends ``Authorization: Bearer`` with one of the secrets.

    Give several to change a secret without a gap: the new one and the old, then the new one alone.
    It names nobody, so whoever overrides a circuit says in the request who they are.

    Args:
        accepted: the secrets, 16 printable ASCII characters or more each.

    Raises:
        TypeError, ValueError: no secret, or one that is none.
    """
    if not accepted:
        raise ValueError("bearer_token needs one secret at least")
    for number, one in enumerate(accepted, 1):  # never shown: it might be nearly right
        if not isinstance(one, str):
            raise TypeError(f"secret {number} must be a text, not {type(one).__name__}")
        if len(one) < SHORTEST or not (one.isascii() and one.isprintable()) or " " in one:
            raise ValueError(
                f"secret {number} must be {SHORTEST} or more printable ASCII characters without"
                f" spaces; it has {len(one)}"
            )
    known = [one.encode() for one in accepted]

    async def check(request: Request) -> None:
        scheme, shown = get_authorization_scheme_param(request.headers.get("Authorization"))
        # All are compared, in constant time, whichever fits.
        fits = [secrets.compare_digest(shown.encode(), one) for one in known]
        if scheme.lower() != "bearer" or not any(fits):
            raise HTTPException(
                401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"}
            )

    return check
