"""Namespaces that contain one another."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import HybridBreaker

from .instances import CONFIG, fail, settled

if TYPE_CHECKING:
    from .server import Server


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


async def test_a_namespace_with_a_colon_works_and_is_warned_of_once_at_the_start(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "fastapi_hybrid_breaker"):
        breaker = HybridBreaker(redis=server.url, namespace="prod:eu", defaults=CONFIG)
        assert warnings_of(caplog) == []
        async with breaker, breaker:
            (warning,) = warnings_of(caplog)
            assert "'prod:eu' overlaps with 'prod'" in warning
            assert "'eu:x'" in warning
            assert "'prod.eu'" in warning
            await fail(breaker, "pay")
            await settled(breaker)
            assert server.hash("pay", "prod:eu")["state"] == "OPEN"


@pytest.mark.parametrize("namespace", ["prod.eu", "circuit"])
async def test_a_namespace_without_a_colon_is_not_warned_of(
    server: Server, caplog: pytest.LogCaptureFixture, namespace: str
) -> None:
    with caplog.at_level(logging.WARNING, "fastapi_hybrid_breaker"):
        async with HybridBreaker(redis=server.url, namespace=namespace):
            assert warnings_of(caplog) == []


async def test_a_namespace_that_nobody_shares_is_not_warned_of(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUIT_NAMESPACE", "prod:eu")
    with caplog.at_level(logging.WARNING, "fastapi_hybrid_breaker"):
        async with HybridBreaker(redis=None):
            assert warnings_of(caplog) == []
