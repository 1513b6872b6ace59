"""The demo as a stranger starts it: ``python -m demo_app`` in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.lengths import slowly
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
STEPS = [
    "the services start",
    "all is healthy",
    "the upstream breaks",
    "the upstream is left alone",
    "the upstream heals",
    "Valkey is killed",
    "the upstream breaks while Valkey is away",
    "Valkey returns",
    "the fleet agrees",
]


@contextmanager
def demo(*args: str, redis_url: str = "") -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "demo_app", *args],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": redis_url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    # Reading line by line knows no time-out; the demo cleans up after SIGTERM.
    timer = threading.Timer(4 * PATIENCE, process.terminate)
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        process.terminate()
        process.communicate(timeout=PATIENCE)


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="],  # noqa: S607 - POSIX says it exists, not where
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    pairs = (line.split() for line in listed.stdout.splitlines())
    return [int(child) for child, parent in pairs if int(parent) == pid]


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_story_is_told_to_its_end_and_nothing_is_left_running() -> None:
    with demo("--once", "--patience", str(PATIENCE)) as process:
        assert process.stdout is not None
        lines, children, pages = [], set(), []
        for line in process.stdout:
            lines.append(line)
            if "✓ all is healthy" in line:
                (address,) = re.findall(r"http://\S+/-/console", "".join(lines))
                pages.append(httpx2.get(address, trust_env=False, timeout=PATIENCE))
            if "✓" in line:
                children.update(children_of(process.pid))
        assert process.wait(PATIENCE) == 0, "".join(lines)
    output = "".join(lines)

    told = [match[1] for match in re.finditer(r"✓ ([^:]+):", output)]
    assert told == STEPS
    # Valkey counts twice: it is a new process after its return.
    assert len(children) == 6, output
    assert not any(is_there(child) for child in children)

    assert re.search(r"healthy: answers +│ \d+ x 200, \d+ per second", output)
    assert re.search(r"trip reached the others +│ shop-\d after [\d.]+ ms, shop-\d after", output)
    assert re.search(r"open: answers in a second +│ [1-9]\d* x 503", output)
    assert re.search(r"open: upstream calls +│ 0 ", output)
    assert re.search(r"Valkey killed: answers since +│ \d+ x 200, nothing else", output)
    assert re.search(r"reset at shop-3 reached the others +│ shop-\d after [\d.]+ ms", output)
    assert "<title>" in pages[0].text
    # No customer was ever left without an answer.
    assert set(re.findall(r"  other (\d+)", output)) == {"0"}


def test_a_redis_that_is_not_there_fails_the_step_that_needs_it() -> None:
    url = "redis://somebody:hushhush@127.0.0.1:1/0"
    with demo("--once", "--patience", "5", redis_url=url) as process:
        output, _ = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == 1
    assert "step failed: the services start: every shop is connected to Redis" in output
    assert "shop-1 CLOSED (isolated)" in output
    assert "hushhush" not in output
    assert "Measured" not in output


@pytest.mark.parametrize("number", [signal.SIGTERM, *slowly(signal.SIGINT, signal.SIGHUP)])
def test_a_signal_in_the_middle_of_the_story_ends_all_processes(number: signal.Signals) -> None:
    with demo("--once", "--patience", str(PATIENCE)) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "✓ the services start" in line:
                break
        children = children_of(process.pid)
        assert len(children) == 5
        process.send_signal(number)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert not any(is_there(child) for child in children)
