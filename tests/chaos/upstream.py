"""What the service calls. ``/-/mode/broken`` has it answer 500 from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request


async def answer(request: Request) -> Response:
    return JSONResponse({"is": "well"}, 500 if request.app.state.is_broken else 200)


async def mode(request: Request) -> Response:
    request.app.state.is_broken = request.path_params["mode"] == "broken"
    return Response(status_code=204)


app = Starlette(
    routes=[Route("/answer", answer), Route("/-/mode/{mode}", mode, methods=["POST"])],
)
app.state.is_broken = False
