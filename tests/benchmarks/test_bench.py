"""``python -m benchmarks`` as a stranger starts it; no figure is judged here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.demo.test_whole_demo import children_of, is_there
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a quick run prints, and the JSON that it writes."""
    path = tmp_path_factory.mktemp("bench") / "not there yet" / "quick.json"
    done = run("--quick", "--effort", "0.01", "--json", str(path))
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(path.read_text())


def test_a_quick_run_has_our_calls_and_the_floors_and_no_peer(
    quick: tuple[str, dict[str, Any]],
) -> None:
    assert set(quick[1]["parts"]) == {"calls"}
    lines = quick[1]["parts"]["calls"]["figures"]["lines"]
    assert {line["who"] for line in lines} == {"bare", "by hand", "fastapi-hybrid-breaker"}
    ours = [line for line in lines if line["who"] == "fastapi-hybrid-breaker"]
    assert {line["state"] for line in ours} == {"closed", "failing", "open", "half-open"}
    assert {line["rule"] for line in ours} == {"default", "rates"}
    assert {line["way"] for line in ours} > {
        *("call", "decorator", "async with", "execute", "sync call", "sync decorator")
    }
    for line in lines:
        assert 0 < line["p10_ns"] <= line["median_ns"] <= line["p90_ns"]


def test_ratios_are_to_the_bare_call_of_the_same_kind(quick: tuple[str, dict[str, Any]]) -> None:
    lines = quick[1]["parts"]["calls"]["figures"]["lines"]
    closed = [line for line in lines if line["state"] == "closed"]
    bare = {line["way"]: line for line in closed if line["who"] == "bare"}
    for line in closed:
        floor = bare["sync call" if line["way"].startswith("sync") else "call"]
        assert line["ratio"] == pytest.approx(line["p10_ns"] / floor["p10_ns"], rel=0.01)


def test_the_machine_is_described_without_naming_it(quick: tuple[str, dict[str, Any]]) -> None:
    machine = quick[1]["machine"]
    assert machine["cores"] == os.cpu_count()
    assert machine["python"] == ".".join(str(part) for part in sys.version_info[:3])
    assert {"fastapi-hybrid-breaker", "fastapi"} <= set(machine["libraries"])
    assert os.uname().nodename not in json.dumps(quick[1])


def test_tables_and_targets_are_printed(quick: tuple[str, dict[str, Any]]) -> None:
    for words in ("Closed, a call that succeeds", "rejected", "half-open", "Targets", "at most"):
        assert words in quick[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--effort", "0"], "--effort must be above 0"),
        (["--quick", "--part", "scale"], "--quick goes with"),
        (["--part", "everything"], "invalid choice"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_report_of_nothing_says_so(tmp_path: Path) -> None:
    done = run("--report", "--json", str(tmp_path / "none.json"))
    assert done.returncode == 1
    assert "no figures" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_ends_all_processes(number: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "--part", "sharing", "--json", str(path)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "measuring: sharing\n"
        deadline = time.monotonic() + 20
        while not (children := children_of(process.pid)):
            assert time.monotonic() < deadline, "no server was started"
            time.sleep(0.01)
        process.send_signal(number)
        process.send_signal(number)  # a second one does not break off the cleaning up
        assert process.wait(PATIENCE) == 130
    finally:
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 10
    while any(is_there(child) for child in children):
        assert time.monotonic() < deadline, "a process was left behind"
        time.sleep(0.01)
    assert not path.exists()
