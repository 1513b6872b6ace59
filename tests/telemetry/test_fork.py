"""A child process measures as well, whatever its parent's threads were at when it was forked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("where", ["label", "meter"])
def test_the_child_waits_for_no_lock_of_a_thread_left_behind(where: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.telemetry.forking", where],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
