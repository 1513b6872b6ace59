"""``python -m benchmarks.fleet`` as a stranger starts it; no figure is judged here."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fleet.instances import Fleet
from tests.demo.test_whole_demo import children_of, is_there
from tests.lengths import slowly
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.fleet", "--quick", *arguments]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a quick run prints, and the JSON that it writes."""
    path = tmp_path_factory.mktemp("bench") / "not there yet" / "fleet.json"
    done = subprocess.run(
        command("--json", str(path)),
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(path.read_text())


def test_the_machine_is_described_without_naming_it(ran: tuple[str, dict[str, Any]]) -> None:
    machine = ran[1]["machine"]
    assert machine["cores"] == os.cpu_count()
    assert machine["python"] == ".".join(str(part) for part in sys.version_info[:3])
    assert {"redis", "fastapi-hybrid-breaker"} <= set(machine["libraries"])
    assert os.uname().nodename not in json.dumps(machine)


def test_what_was_asked_for_was_done(ran: tuple[str, dict[str, Any]]) -> None:
    asked, figures = ran[1]["parameters"], ran[1]["figures"]
    assert asked["quick"] is True
    assert figures["trips"]["trips"] == asked["trips"]
    assert figures["recoveries"]["recoveries"] == asked["recoveries"]
    assert figures["hang"]["seconds"] == asked["hang"]


def test_spreads_are_in_order(ran: tuple[str, dict[str, Any]]) -> None:
    trips, recoveries = ran[1]["figures"]["trips"], ran[1]["figures"]["recoveries"]
    for spread in (
        trips["milliseconds_to_the_last"],
        recoveries["probes_per_recovery"],
        recoveries["probes_at_once"],
        recoveries["milliseconds_from_the_end_of_the_open_time"],
    ):
        assert spread["p50"] <= spread["p99"] <= spread["max"]
    assert trips["milliseconds_to_the_last"]["p50"] > 0


def test_the_upstream_counts_the_probes(ran: tuple[str, dict[str, Any]]) -> None:
    recoveries = ran[1]["figures"]["recoveries"]
    assert recoveries["probes_per_recovery"]["p50"] >= recoveries["budget"]
    assert 1 <= recoveries["probes_at_once"]["p50"] <= recoveries["probes_per_recovery"]["max"]


def test_every_load_had_calls_and_its_commands_are_told_apart(
    ran: tuple[str, dict[str, Any]],
) -> None:
    loads = ran[1]["figures"]["commands"]
    assert set(loads) == {
        "calm",
        "a tenth of the calls fails",
        "all fails, opened again and again",
        "open, all rejected",
    }
    for load in loads.values():
        assert load["calls_per_second"] > 0
        assert "info" not in load["by_command"]
        assert sum(load["by_command"].values()) == pytest.approx(
            load["commands_per_second"], abs=0.5
        )
    assert loads["calm"]["rejected_per_second"] == 0
    assert loads["open, all rejected"]["rejected_per_second"] > 0


def test_only_the_one_that_tripped_is_open_while_the_server_hangs(
    ran: tuple[str, dict[str, Any]],
) -> None:
    hang = ran[1]["figures"]["hang"]
    assert hang["open_at_its_end"] == 1
    assert hang["isolated_at_its_end"] <= ran[1]["parameters"]["instances"]
    assert hang["milliseconds_to_agree"] > 0


def test_the_table_has_a_line_for_each_figure(ran: tuple[str, dict[str, Any]]) -> None:
    for words in ("reaches the last", "probes per recovery", "all agree", "calm", "open, all"):
        assert words in ran[0]


@pytest.mark.parametrize("number", [signal.SIGINT, *slowly(signal.SIGTERM)])
def test_a_signal_in_the_middle_ends_all_processes(number: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    process = subprocess.Popen(
        command("--json", str(path)), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "measuring: trips\n"
        children = children_of(process.pid)
        assert len(children) == 5  # four instances and a Valkey
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


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancellation_that_meets_a_change_is_not_lost(turns: int) -> None:
    fleet = Fleet(0, "redis://127.0.0.1:1/0", 1)
    waiting = asyncio.create_task(fleet.until(lambda: False, "nothing"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    fleet.changed.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert waiting.cancelled()


def test_an_instance_that_dies_ends_the_measurement_with_a_word(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("--json", str(tmp_path / "fleet.json"), "--hang", "600"),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "measuring: trips\n"
        children = children_of(process.pid)
        os.kill(max(children), signal.SIGKILL)
        _, words = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1
    assert "has ended" in words.splitlines()[-1]
    assert not any(is_there(child) for child in children)


def test_an_amount_of_nothing_is_refused() -> None:
    done = subprocess.run(
        command("--trips", "0"),
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2
    assert "--trips must be above 0" in done.stderr
