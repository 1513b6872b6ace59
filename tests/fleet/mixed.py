"""Instances of two versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .process import KEY

if TYPE_CHECKING:
    from .process import Process
    from .server import Server


def trip(process: Process, key: str = KEY) -> None:
    assert process.fail(key, 3) == ["admitted"] * 3
    assert process.call(key) == "rejected"


def version_of(server: Server, key: str = KEY) -> int:
    return int(server.hash(key)["version"])
