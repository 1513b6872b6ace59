"""What holds for all tests."""

from __future__ import annotations

import gc
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from .machine import NOT_TESTED

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

# A machine may be busy with something else: no test is judged by its time.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")


def pytest_configure() -> None:
    """Start programs that can be interrupted, also where a shell runs the tests in its background.

    There it has them ignore SIGINT, which whatever they start inherits.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage of slow tests: it makes them take three times as long."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker("no_cover")


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over modules and items, which stay to the end.

    Some tests run it at each step, and it takes a third of a second to look at all of them.
    """
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run on Valkey what needs a server; what is marked ``every_server`` on Redis as well."""
    if "shared_server" in metafunc.fixturenames:
        every = metafunc.definition.get_closest_marker("every_server")
        kinds = ["valkey", "redis"] if every else ["valkey"]
        metafunc.parametrize("shared_server", kinds, indirect=True, scope="session")


WHOLE = frozenset(
    {
        "tests/benchmarks/test_bench.py",
        "tests/benchmarks/test_fleet_bench.py",
        "tests/circuits/test_fork.py",
        "tests/typing/test_pyright.py",
        "tests/typing/test_typing.py",
        "tests/web/test_outcomes_uvicorn.py",
    }
)
"""Files whose tests share something that takes long to make: one process of tests takes all."""


class Scheduling(LoadScopeScheduling):
    """Send each process of tests the next test, or the next whole file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in WHOLE else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def not_tested(report: pytest.TestReport) -> str | None:
    """Return what the machine lacks, if a test was skipped for that."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return None
    _, found, what = report.longrepr[2].partition(NOT_TESTED)
    return what if found else None


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Keep what the machine could not test apart from what is skipped on purpose."""
    return None if not_tested(report) is None else ("not tested", "n", "NOT TESTED")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say in one line each what was not tested for want of something, and how to get it."""
    missed = Counter(map(not_tested, terminalreporter.getreports("not tested")))
    for what, times in sorted(missed.items()):
        terminalreporter.write_line(f"{NOT_TESTED}{what} (tests: {times})", red=True, bold=True)
