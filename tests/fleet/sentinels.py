"""Real sentinels that watch a server, to be hung and to go on."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Self

import redis

from tests.patience import PATIENCE

from .server import free_port

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from .server import Server

SERVICE = "orders"


class SentinelProcess:
    """One sentinel that watches ``server`` under the name ``SERVICE``."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.port = free_port()
        self._conf = folder / f"sentinel-{self.port}.conf"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def __enter__(self) -> Self:
        self._conf.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self._conf.parent}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.server.port} 1\n"
        )
        self._process = subprocess.Popen(
            [self.server.binary, str(self._conf), "--sentinel"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + PATIENCE
        with contextlib.closing(redis.Redis(port=self.port, socket_timeout=PATIENCE)) as ask:
            while True:
                try:
                    assert ask.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
                except redis.RedisError:
                    assert time.monotonic() < end
                    time.sleep(0.01)
                else:
                    return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def hang(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
