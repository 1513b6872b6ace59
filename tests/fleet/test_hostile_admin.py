"""What strangers write into Redis, as the admin API shows it: never a 500, never a hostile text."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx2
from fastapi import FastAPI

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from tests.patience import PATIENCE

from .odd import ODD_TEXTS

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"
SOON = str(2**43)


def write_hostile(server: Server) -> list[str]:
    """Write instances, states and overrides of odd texts; return the keys."""
    seconds: Any = server.ask.time()
    keys = []
    for number, text in enumerate(ODD_TEXTS):
        name, key = f"i{number}", f"key-{number}"
        keys.append(key)
        about = {"host": text, "started": 1.5, "version": text, "circuits": {text: [text, text]}}
        server.ask.zadd("circuit#{live}", {name: seconds[0] * 1000})
        server.ask.hset("circuit#{live}:about", name, json.dumps(about))
        said = json.dumps({"cause": text[:200], "error": text[:200], "by": text[:200]})
        fields = {"state": "OPEN", "failures": 1, "successes": 0, "nextAttempt": SOON}
        ours = {"version": "12", "writer": "a", "at": 5, "p": 1, "sum": f"OPEN|1|0|{SOON}"}
        server.ask.hset(f"circuit:{key}", mapping=fields | ours | {"why": said})
        spoilt = text.encode(errors="surrogatepass")[:200]
        spoilt_fields: Any = fields | ours | {"writer": spoilt, "p": spoilt}
        server.ask.hset(f"circuit:spoilt-{number}", mapping=spoilt_fields)
        register = f"5|a|forced_open|0|{json.dumps({'by': text[:200], 'reason': text[:200]})}"
        server.ask.hset(f"circuit#override:{{circuit:{key}}}", "override", register)
        server.ask.sadd("circuit#overridden", key)
        keys.append(f"spoilt-{number}")
    return keys


async def test_a_lone_surrogate_as_host_made_the_fleets_page_a_500(server: Server) -> None:
    keys = write_hostile(server)
    app = FastAPI()
    circuits = {key: CircuitConfig() for key in keys}
    breaker = HybridBreaker(app, redis=server.url, circuits=circuits)
    app.include_router(breaker.admin_router(auth=None), prefix="/circuits")
    transport = httpx2.ASGITransport(app)
    async with breaker, httpx2.AsyncClient(transport=transport, base_url="http://h") as client:
        # First: who gives no sign of life is forgotten after a minute.
        too_long = sum(len(text) > 5_000 for text in ODD_TEXTS)
        wanted, shown_at_last = len(ODD_TEXTS) - too_long + 1, 0
        async with asyncio.timeout(PATIENCE):
            while shown_at_last != wanted:  # None while Redis does not answer within a second
                listed = (await client.get("/circuits/-/fleet")).json()["instances"]
                shown_at_last = len(listed or ())
        paths = ["/circuits", "/circuits/-/fleet", "/circuits/-/health"]
        for path in [*paths, *(f"/circuits/{key}" for key in keys)]:
            answer = await client.get(path)
            assert answer.status_code == 200, path
            shown = answer.content.decode()
            json.loads(shown)
            assert not {"\x00", "\u202e", "\ud800"} & set(shown)
            assert "\\u0000" not in shown
            assert "\\u202e" not in shown
