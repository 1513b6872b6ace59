"""fastapi-cb: aiobreaker under another name."""

from __future__ import annotations

import fastapi_cb

from .aiobreaker import Peer as Aiobreaker


class Peer(Aiobreaker):
    name = "fastapi-cb"
    rejections = (fastapi_cb.CircuitBreakerError,)
    library = fastapi_cb
