"""What the garbage collector finalizes takes part in the fleet as well, whatever it interrupts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .server import Server

HERE = Path(__file__).parent


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    "act", ["trips", "resets", "makes a circuit", "sets variables of its context"]
)
def test_event_loop_goes_on_when_half_read_streams_are_collected_while_a_call(
    server: Server, act: str
) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "collecting.py"), server.url, act],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "done\n", done.stderr
