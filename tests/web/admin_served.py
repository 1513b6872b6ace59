"""An application with the admin router."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock

from .bench import CONFIG

DECLARED = CircuitConfig(
    failure_threshold=2,
    recovery_timeout=4.0,
    failure_exceptions=(OSError, HTTPException),
    success_exceptions=(FileNotFoundError,),
    ignored_exceptions=(KeyError,),
    failure_statuses=frozenset({503, 500}),
)


class Admin:
    """An application with the router at /circuits."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.app = FastAPI()
        self.breaker = HybridBreaker(
            self.app,
            redis=None,
            defaults=CONFIG,
            circuits={"declared": DECLARED, "host:*": CONFIG},
            clock=self.clock,
        )
        self.app.include_router(self.breaker.admin_router(auth=None), prefix="/circuits")
        self.client = TestClient(self.app)
