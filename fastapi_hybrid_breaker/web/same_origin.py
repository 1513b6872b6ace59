"""Refusing what another site's page has a browser send."""

# No "from __future__ import annotations" here: FastAPI reads the annotations of the dependency.

from typing import Final
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


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
        origin = request.headers.get("Origin")
        is_own = origin is None or urlsplit(origin).netloc == request.headers.get("Host")
    if not is_own:
        raise HTTPException(403, "circuits are changed from pages of this origin only")
