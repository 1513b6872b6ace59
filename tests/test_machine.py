"""What becomes of the tests on a machine without a browser, or without Redis."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import machine

ROOT = Path(__file__).parents[1]

SUITE = """
import pytest
from tests.machine import NO_BROWSER, NO_REDIS, do_without

@pytest.mark.parametrize("number", range(3))
def test_console(number):
    do_without(NO_BROWSER)

def test_redis():
    do_without(NO_REDIS)

def test_skipped_on_purpose():
    pytest.skip("there is no moon tonight")

def test_anything_else():
    pass
"""


def run_tests(*arguments: str, ci: str = "", **environment: str) -> tuple[int, str]:
    """Run pytest as a newcomer would; gives its exit status and what it has written."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-c", str(ROOT / "pyproject.toml")),
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CI": ci, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture
def suite(tmp_path: Path) -> str:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_suite.py").write_text(SUITE)
    return str(tmp_path)


def test_what_a_machine_lacks_is_said_in_one_line_each(suite: str) -> None:
    status, said = run_tests(suite, "--numprocesses", "2")
    assert status == 0, said
    lines = [line for line in said.splitlines() if "NOT TESTED" in line]
    assert lines == [f"{machine.NO_REDIS} (tests: 1)", f"{machine.NO_BROWSER} (tests: 3)"]
    assert "1 passed, 1 skipped, 4 not tested" in said
    assert "there is no moon tonight" in said


def test_nothing_is_said_where_nothing_is_lacking(suite: str) -> None:
    status, said = run_tests(suite, "-k", "else or purpose")
    assert status == 0, said
    assert "NOT TESTED" not in said
    assert "not tested" not in said


def test_what_is_lacking_in_ci_is_an_error(suite: str) -> None:
    status, said = run_tests(suite, ci="true")
    assert status == 1
    assert "4 failed, 1 passed, 1 skipped" in said
    assert machine.NO_BROWSER in said


@pytest.mark.parametrize(
    ("ci", "is_ci"), [("true", True), ("1", True), ("", False), ("0", False), ("False", False)]
)
def test_what_counts_as_ci(monkeypatch: pytest.MonkeyPatch, ci: str, *, is_ci: bool) -> None:
    monkeypatch.setenv("CI", ci)
    assert machine.is_ci() is is_ci


def test_without_redis_a_test_of_every_server_runs_on_valkey(tmp_path: Path) -> None:
    test = "tests/fleet/test_lost_and_late.py::test_versions_keep_all_their_digits"
    status, said = run_tests(test, PATH=str(tmp_path))
    assert (status, machine.NO_REDIS in said) == (0, True), said
    assert "1 passed, 1 not tested" in said


async def test_a_browser_that_does_not_start_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ubuntu has such a program where its package chromium-browser is not installed from a store.
    dud = tmp_path / "chromium"
    dud.write_text("#!/bin/sh\nexit 1\n")
    dud.chmod(0o755)
    if installed := next(filter(None, map(shutil.which, machine.BROWSERS)), None):
        (tmp_path / "google-chrome").symlink_to(installed)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    try:
        async with machine.browsing() as browser:
            assert browser.is_connected()
    except machine.NoBrowserError:
        machine.do_without(machine.NO_BROWSER)


class Machine:
    """A machine that has only what a test puts on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.log.touch()
        for name in ("env", "sh", "touch", "chmod", "true"):
            (folder / name).symlink_to(shutil.which(name) or "")

    def put(self, name: str, script: str = "") -> None:
        """Put a command there that writes down how it was called."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n{script}\n')
        path.chmod(0o755)

    def put_apt(self, installs: str) -> None:
        made = f"{self.folder}/{installs}"
        self.put("apt-get", f'case "$*" in *install*) touch {made}; chmod +x {made};; esac')

    def called(self) -> str:
        return self.log.read_text()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine of root's, with a browser and nothing else."""
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", "")
    monkeypatch.setattr("tests.machine.has_browser", lambda: True)
    monkeypatch.setattr("tests.machine.faketime_library", lambda: "/usr/lib/libfaketime.so.1")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return machine


def test_redis_is_installed_where_it_is_missing(bare: Machine) -> None:
    bare.put_apt("redis-server")
    assert machine.main() == 0
    assert machine.redis_server() is not None
    assert "apt-get -qq install -y --no-install-recommends redis-server" in bare.called()


def test_libfaketime_is_installed_where_it_is_missing(
    bare: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = bare.folder / "faketime"
    monkeypatch.setattr(
        "tests.machine.faketime_library", lambda: str(installed) if installed.exists() else None
    )
    bare.put("redis-server")
    bare.put_apt("faketime")
    assert machine.main() == 0
    assert "apt-get -qq install -y --no-install-recommends faketime" in bare.called()


def test_what_is_there_is_not_installed(bare: Machine) -> None:
    bare.put_apt("redis-server")
    bare.put("redis-server")
    assert machine.main() == 0
    assert bare.called() == ""


@pytest.mark.parametrize("asks", [True, False])
def test_who_is_not_root_installs_where_sudo_asks_no_password(
    bare: Machine, monkeypatch: pytest.MonkeyPatch, *, asks: bool
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    bare.put("sudo", "exit 1" if asks else 'shift; exec "$@"')
    bare.put_apt("redis-server")
    assert machine.main() == 0
    assert ("apt-get" in bare.called()) is not asks
    assert (machine.redis_server() is None) is asks


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_where_nothing_may_be_installed_it_is_said_and_in_ci_an_error(
    bare: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ci: str,
    status: int,
) -> None:
    monkeypatch.setenv("CI", ci)
    assert machine.main() == status
    assert capsys.readouterr().err.splitlines() == [machine.NO_REDIS]


def test_an_installation_that_fails_is_said(
    bare: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.put("apt-get", "echo Unable to locate package; exit 100")
    assert machine.main() == 0
    said = capsys.readouterr()
    assert "failed: Unable to locate package" in said.out
    assert machine.NO_REDIS in said.err


DOWNLOAD, LIBRARIES = "install chromium", "install-deps chromium"
UPDATE, PACKAGE = "-qq update", "--no-install-recommends chromium"


@pytest.mark.parametrize(
    ("enough", "asked"),
    [
        (DOWNLOAD, [DOWNLOAD]),
        (LIBRARIES, [DOWNLOAD, LIBRARIES]),
        (PACKAGE, [DOWNLOAD, UPDATE, PACKAGE]),
        ("nothing", [DOWNLOAD, UPDATE, PACKAGE]),
    ],
)
def test_a_browser_is_playwrights_or_else_the_distributions(
    bare: Machine, monkeypatch: pytest.MonkeyPatch, enough: str, asked: list[str]
) -> None:
    """``enough`` is the command after which a browser starts."""
    commands: list[str] = []

    def run(*command: str) -> bool:
        commands.append(" ".join(command[-2:]))
        return commands[-1] == enough or enough == LIBRARIES

    monkeypatch.setattr("tests.machine.run", run)
    monkeypatch.setattr("tests.machine.has_browser", lambda: commands[-1:] == [enough])
    for name in ("apt-get", "redis-server"):
        bare.put(name)
    assert machine.main() == 0
    assert commands == asked
