"""The processes of a run: uvicorn with its workers, and the upstreams."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx2

from tests.fleet.server import free_port
from tests.patience import PATIENCE
from tests.web.servers import eventually, request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_ROOT = Path(__file__).parents[2]
# A connection that is kept is never closed by its server: a request that meets such an end fails.
_OPTIONS = ("--host", "127.0.0.1", "--timeout-keep-alive", "3600", "--log-level", "warning")


class Uvicorn:
    """One uvicorn, with workers or without, on a port that stays the same; from ``with`` on."""

    def __init__(self, app: str, log: Path, *options: str, env: Mapping[str, str] = {}) -> None:
        self.port = free_port()
        self.log = log
        self._command = [sys.executable, "-m", "uvicorn", app, "--port", str(self.port)]
        self._command += [*_OPTIONS, *options]
        self._env = {**os.environ, "NO_COLOR": "1", **env}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.resume()
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
            self.kill()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=_ROOT, env=self._env, stdout=log, stderr=log
            )
        eventually(self._answers, self.log.read_text)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx2.TransportError):
            return request("GET", f"{self.url}/-/none").status_code == 404
        return False
