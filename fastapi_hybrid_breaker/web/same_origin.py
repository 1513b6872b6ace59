"""Refusing what another site's page has a browser send."""

# No "from __future__ import annotations" here: FastAPI reads the annotations of the dependency.

import re
from typing import Final

from fastapi import HTTPException, Request

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_ORIGIN: Final = re.compile(r"https?://([^\s/?#@\\]+)", re.IGNORECASE)
"""An origin as browsers write it; its group is what they send as the Host of their own origin."""


async def refuse_other_sites(request: Request) -> None:
    """Refuse a change that a page of another origin has a browser send with its user's cookies.

    Browsers say with ``Sec-Fetch-Site`` where a request comes from, old ones with ``Origin`` at
    least. Whatever sends neither is no browser, and acts for nobody but itself.
    """
    if request.method in _READS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_own = site in {"same-origin", "none"}
    else:
        is_own = _is_own_origin(request.headers.get("Origin"), request.headers.get("Host", ""))
    if not is_own:
        raise HTTPException(403, "circuits are changed from pages of this origin only")


def _is_own_origin(origin: str | None, host: str) -> bool:
    """Whether ``origin`` is that of the server; not one that no browser would write."""
    if origin is None:
        return True
    # Compared as text: parsing what a stranger sends can fail in ways of its own.
    match = _ORIGIN.fullmatch(origin)
    return match is not None and match[1].lower() == host.lower()
