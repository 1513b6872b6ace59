"""A ready ``auth`` for the admin router: a secret that callers show as a bearer token."""

# No "from __future__ import annotations" here: FastAPI reads the annotations of the dependency.

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

SHORTEST: Final = 16
"""Characters that a secret must have: shorter ones can be guessed."""

# For the page of the API, which asks for the token once; the answer to a wrong one is our own.
_SCHEME: Final = HTTPBearer(
    scheme_name="CircuitsToken", description="A secret of the circuits' admin.", auto_error=False
)


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

    async def check(
        shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)],
    ) -> None:
        secret = "" if shown is None else shown.credentials
        # All are compared, in constant time, whichever fits.
        fits = [secrets.compare_digest(secret.encode(), one) for one in known]
        if not any(fits):
            raise HTTPException(
                401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"}
            )

    return check
