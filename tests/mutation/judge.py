"""Runs the tests for one mutant after another, each time in a forked process.

Started in a copy of the tree. It has imported what tests need, except for the package and the
tests themselves, so that each fork reads the mutant. It answers each JSON object, one a line.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import fastapi.testclient
import httpx
import hypothesis
import lupa.lua51
import pydantic_settings
import pytest
import pytest_asyncio
import redis.asyncio.cluster
import uvicorn

IMPORTED: Final = (
    *(fastapi.testclient, httpx, hypothesis, lupa.lua51, pydantic_settings),
    *(pytest_asyncio, redis.asyncio.cluster, uvicorn),
)

_OUTPUT: Final = Path("mutation.out")


class _FirstFailure:
    """Writes the name of the first test that fails into a pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self._pipe, f"{report.nodeid}\n".encode())

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            os.write(self._pipe, f"{report.nodeid} (collecting)\n".encode())


class _Chosen:
    """Runs some tests of the files in an order of their own, and on one kind of server only."""

    def __init__(self, only: list[str]) -> None:
        self._order = {name: place for place, name in enumerate(only)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [one for one in items if not _is_on_redis(one)]
        if self._order:
            items[:] = [one for one in items if one.nodeid in self._order]
            items.sort(key=lambda one: self._order[one.nodeid])


def _is_on_redis(item: pytest.Item) -> bool:
    call = getattr(item, "callspec", None)
    return call is not None and call.params.get("shared_server") == "redis"


def _without_shrinking() -> None:
    """Have Hypothesis try the same examples each time, and not look for the shortest that fails."""
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile(
        "mutation", database=None, derandomize=True, deadline=None, phases=phases
    )
    hypothesis.settings.load_profile("mutation")


def _run(arguments: list[str], only: list[str], pipe: int) -> None:
    code = 70
    try:
        os.setsid()
        output = os.open(_OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.dont_write_bytecode = True
        code = int(pytest.main(arguments, plugins=[_FirstFailure(pipe), _Chosen(only)]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def judge(arguments: list[str], seconds: float, only: list[str]) -> dict[str, Any]:
    """Run pytest, and return its exit code (None: not in time), and the first test that failed."""
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _run(arguments, only, writing)
    os.close(writing)
    said, in_time = _read(reading, began + seconds)
    os.close(reading)
    with suppress(ProcessLookupError):  # also whatever its tests have started
        os.killpg(child, signal.SIGKILL)
    if not in_time:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    first = said.partition("\n")[0]
    return {
        "code": status if in_time else None,
        "failed": first,
        "seconds": time.monotonic() - began,
    }


def _read(pipe: int, end: float) -> tuple[str, bool]:
    """Return what the tests said until their process ended, and whether it did so in time."""
    said = b""
    while (left := end - time.monotonic()) > 0:
        if not select.select([pipe], [], [], left)[0]:
            break
        data = os.read(pipe, 65536)
        if not data:
            return said.decode(), True
        said += data
    return said.decode(), False


def main() -> None:
    """Answer each line of the standard input."""
    _without_shrinking()
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(judge(**job)), flush=True)


if __name__ == "__main__":
    main()
