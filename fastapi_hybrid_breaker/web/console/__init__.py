"""The admin console: the paths that serve its page and files.

They hold no data, so nobody is asked who they are: the page itself asks the admin router's other
paths, which ask ``auth``. All of it is files of this package, made of standards that browsers know,
and nothing is fetched from elsewhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse, Response

from fastapi_hybrid_breaker.web.record import leave_uncounted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from fastapi import APIRouter
    from starlette.requests import Request

_PAGE: Final = "index.html"

_KINDS: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    # No text becomes markup: the browser refuses innerHTML and its like altogether.
    " require-trusted-types-for 'script'; trusted-types 'none'"
)

HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-cache",  # asked for each time, by ETag: a new version is seen at once
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the console, read once."""

    content: bytes
    kind: str
    etag: str

    @classmethod
    def read(cls, path: Traversable) -> _File:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:32]
        return cls(content, _KINDS[path.name.rpartition(".")[2]], f'"{digest}"')

    def answer(self, request: Request) -> Response:
        headers = {**HEADERS, "ETag": self.etag}
        known = request.headers.get("If-None-Match", "")
        if self.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type=self.kind)


def add_console_routes(router: APIRouter) -> None:
    """Add the console to the admin router, outside of the dependencies that its paths ask.

    Plain routes of Starlette's, which FastAPI includes with the router and hands no dependencies.
    """
    served = _read_files()

    async def page(request: Request) -> Response:
        leave_uncounted(request.scope)
        return served[_PAGE].answer(request)

    async def page_elsewhere(request: Request) -> Response:
        leave_uncounted(request.scope)
        # Relative, so that it holds behind any root_path and prefix.
        return RedirectResponse("../console", 308, headers=HEADERS)

    async def file(request: Request) -> Response:
        leave_uncounted(request.scope)
        found = served.get(request.path_params["name"])
        if found is None or found is served[_PAGE]:
            return Response("there is no such file\n", 404, HEADERS, "text/plain")
        return found.answer(request)

    for path, endpoint, name in (
        ("/-/console", page, "circuit_console"),
        ("/-/console/", page_elsewhere, "circuit_console_slash"),
        ("/-/console/{name}", file, "circuit_console_file"),
    ):
        router.add_route(path, endpoint, methods=["GET"], name=name, include_in_schema=False)


@cache
def _read_files() -> dict[str, _File]:
    """Read what there is: only these names are ever served, whatever a path says."""
    folder = files(__package__)
    return {
        path.name: _File.read(path)
        for path in folder.iterdir()
        if path.name.rpartition(".")[2] in _KINDS
    }
