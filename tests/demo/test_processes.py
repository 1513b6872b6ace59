from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo_app.processes import Child, answers, end_all, free_ports
from tests.patience import PATIENCE

STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True);"


def make(tmp_path: Path, code: str, name: str = "child") -> Child:
    return Child(
        name, [sys.executable, "-c", code], log=tmp_path / f"{name}.log", env=dict(os.environ)
    )


def wait_for_words(child: Child) -> None:
    deadline = time.monotonic() + 20
    while not child.last_words():
        assert time.monotonic() < deadline, "the child says nothing"
        time.sleep(0.01)


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    child = make(tmp_path, STUBBORN + "time.sleep(60)")
    child.start()
    wait_for_words(child)
    child.ask_to_end()
    child.make_sure(time.monotonic() + 0.1)
    assert not child.is_running()


def test_all_children_end_and_one_never_started_is_no_hindrance(tmp_path: Path) -> None:
    children = [make(tmp_path, "import time; time.sleep(60)", name) for name in "abc"]
    for child in children[:2]:
        child.start()
    end_all(children)
    assert [child.is_running() for child in children] == [False, False, False]
    for child in children[:2]:
        with pytest.raises(ProcessLookupError):
            os.kill(child.pid, 0)
    assert children[2].pid == 0


def test_a_child_starts_again_after_its_end(tmp_path: Path) -> None:
    child = make(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    child.start()
    first = child.pid
    child.kill()
    child.start()
    assert child.is_running()
    assert child.pid != first
    child.kill()


def test_ctrl_c_in_the_terminal_does_not_reach_the_children(tmp_path: Path) -> None:
    # The terminal signals a process group: the child must not be in its parent's.
    child = make(tmp_path, "import time; time.sleep(60)")
    child.start()
    assert os.getpgid(child.pid) != os.getpgid(0)
    child.kill()


def test_the_last_words_are_the_end_of_the_output(tmp_path: Path) -> None:
    child = make(tmp_path, "import sys; print(*range(9), sep='\\n', file=sys.stderr)")
    assert child.last_words() == ""
    child.start()
    child.make_sure(time.monotonic() + 20)
    assert child.last_words(2) == "7\n8"


def test_free_ports_are_distinct_and_nobody_answers() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert not any(answers(port) for port in ports)


def test_modules_are_found_from_any_folder(tmp_path: Path) -> None:
    # The children run where demo_app is found, not where the demo was started.
    code = (
        "import os, demo_app.processes as p; from pathlib import Path;"
        "c = p.Child('c', ['pwd'], log=Path('log'), env=dict(os.environ)); c.start();"
        "c.make_sure(p.time.monotonic() + 20); print(c.last_words())"
    )
    root = Path(__file__).parent.parent.parent
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert ran.stdout.strip() == str(root)
