"""An application with the admin router, open to anyone, for tests that serve it by uvicorn."""

from __future__ import annotations

from fastapi import FastAPI

from fastapi_hybrid_breaker import HybridBreaker

app = FastAPI()
breaker = HybridBreaker(app, redis=None)
app.include_router(breaker.admin_router(auth=None), prefix="/circuits")
