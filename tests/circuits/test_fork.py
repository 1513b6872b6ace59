"""A process that forks: the child goes on with what its parent knew, and waits for nobody."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Return what parent and child say about their circuits after the fork."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.circuits.forking"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    lines = [line.split(" ", 1) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, ran.stderr
    assert [who for who, _ in lines] == ["child", "parent"], ran.stderr
    return {who: json.loads(text) for who, text in lines}


def test_the_child_waits_for_no_lock_of_a_thread_left_behind(found: dict[str, Any]) -> None:
    assert found["parent"]["status"] == 0
    assert found["child"]["overflow admits"] is True
    assert found["child"]["new"] == "new"


def test_the_child_keeps_the_states_and_the_counts(found: dict[str, Any]) -> None:
    child = found["child"]
    assert (child["opened"], child["half"], child["closed failures"]) == ("OPEN", "HALF_OPEN", 1)
    assert child["known"] == ["closed", "half", "new", "opened"]


def test_the_child_has_all_probe_places_and_the_parent_keeps_its_own(
    found: dict[str, Any],
) -> None:
    assert (found["child"]["half admits"], found["parent"]["half admits"]) == (True, False)


def test_listeners_of_the_child_hear_the_changes_of_the_child(found: dict[str, Any]) -> None:
    assert found["child"]["changes"] == ["closed OPEN", "opened CLOSED"]
    assert found["parent"]["changes"] == []


def test_what_the_child_does_moves_nothing_in_the_parent(found: dict[str, Any]) -> None:
    assert (found["parent"]["opened"], found["parent"]["closed failures"]) == ("OPEN", 1)
