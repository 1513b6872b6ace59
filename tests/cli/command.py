"""Running the command: as a process, as its users do, or in this process."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from fastapi_hybrid_breaker.cli.app import app
from fastapi_hybrid_breaker.cli.steering import Hand
from tests.patience import PATIENCE

if TYPE_CHECKING:
    import pytest

    from tests.fleet.proxy import Proxy
    from tests.fleet.server import Server

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "fastapi_hybrid_breaker.cli")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("CIRCUIT_")}
    return {**mine, "PYTHONIOENCODING": "utf-8", "COLUMNS": "250", **more}


def process(*arguments: str, **variables: str) -> Ended:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def run(*arguments: str, **variables: str) -> Ended:
    """Run the command in this process."""
    cleared = {name: None for name in os.environ if name.startswith("CIRCUIT_")}
    runner = CliRunner(env={**cleared, "COLUMNS": "250", **variables})
    done = runner.invoke(app, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ended(done.exit_code, done.stdout, done.stderr)


def on(server: Server | Proxy, *arguments: str) -> Ended:
    """Run it on a server."""
    return run(*arguments, CIRCUIT_REDIS_URL=server.url)


async def beside(server: Server | Proxy, *arguments: str) -> Ended:
    """Run it on a server while instances live in this loop."""
    return await asyncio.to_thread(on, server, *arguments)


async def process_beside(server: Server | Proxy, *arguments: str) -> Ended:
    """Run it in a process of its own while instances live in this loop."""
    return await asyncio.to_thread(process, *arguments, CIRCUIT_REDIS_URL=server.url)


def replace_order(monkeypatch: pytest.MonkeyPatch, other: Any) -> Any:
    """Make another function send an operator's action to Redis; return the usual one."""
    usual = Hand._order
    monkeypatch.setattr(Hand, "_order", other)
    return usual
