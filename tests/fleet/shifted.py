"""A real server whose clock is set by days while it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.machine import NO_FAKETIME, do_without, faketime_library

from .server import Server, valkey_server

if TYPE_CHECKING:
    from collections.abc import Mapping


class ShiftedServer(Server):
    """A Valkey under libfaketime. Redis itself does not start under it, for its allocator."""

    def __init__(self, folder: Path, *options: str, offset: str = "+0") -> None:
        self._offset = folder / "offset"
        self.set_clock(offset)
        super().__init__(valkey_server(), folder, *options)

    def set_clock(self, offset: str) -> None:
        """Set the clock, such as by ``+3d``, from the real one on."""
        beside = self._offset.with_suffix(".new")
        beside.write_text(offset)
        beside.replace(self._offset)

    def environment(self) -> Mapping[str, str]:
        library = faketime_library() or do_without(NO_FAKETIME)
        return {
            **os.environ,
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
