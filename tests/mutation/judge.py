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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import fastapi.testclient
import httpx
import hypothesis
import lupa.lua51
import pydantic_settings
import pytest
import pytest_asyncio
import redis.asyncio.cluster
import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """Make Hypothesis try the same examples each time, and not look for the shortest that fails."""
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile(
        "mutation", database=None, derandomize=True, deadline=None, phases=phases
    )
    hypothesis.settings.load_profile("mutation")


class _Collected:
    """Answers jobs with the tests that a session has collected, for mutants of scripts alone.

    Nothing is imported anew for a mutant: the scripts are read again. The test that has killed the
    last one comes first, since neighbours often go by the same.
    """

    def __init__(self, answers: TextIO) -> None:
        self._answers = answers

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for line in sys.stdin:
            job = json.loads(line)
            answer = judge(partial(_run_items, session), job["seconds"])
            session.items.sort(key=lambda one: one.nodeid != answer["failed"])
            print(json.dumps(answer), file=self._answers, flush=True)
        return True


def _run_items(session: pytest.Session, pipe: int) -> int:
    from fastapi_hybrid_breaker.fleet import scripts  # noqa: PLC0415 - not before its tests do

    session.config.pluginmanager.register(_FirstFailure(pipe))
    for name in scripts.NAMES:
        kept = scripts.load(name)  # whoever has it keeps it
        scripts.load.cache_clear()
        anew = scripts.load(name)
        object.__setattr__(kept, "text", anew.text)
        object.__setattr__(kept, "sha", anew.sha)
    following = [*session.items[1:], None]
    for item, after in zip(session.items, following, strict=True):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.shouldfail:
            return 1
    return 0


def _run_pytest(arguments: list[str], only: list[str], pipe: int) -> int:
    return int(pytest.main(arguments, plugins=[_FirstFailure(pipe), _Chosen(only)]))


def _write_to_file() -> None:
    output = os.open(_OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _become(run: Callable[[int], int], pipe: int) -> None:
    code = 70
    try:
        os.setsid()
        _write_to_file()
        sys.dont_write_bytecode = True
        code = run(pipe)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def judge(run: Callable[[int], int], seconds: float) -> dict[str, Any]:
    """Run tests in a fork; return its exit code (None: not in time), and the first that failed."""
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _become(run, writing)
    os.close(writing)
    said, in_time = _read(reading, began + seconds)
    os.close(reading)
    with suppress(ProcessLookupError):  # also whatever its tests have started
        os.killpg(child, signal.SIGKILL)
    if not in_time:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {
        "code": status if in_time else None,
        "failed": said.partition("\n")[0],
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
    """Answer each line of the standard input; with arguments, by the tests that they collect."""
    _without_shrinking()
    if sys.argv[1:]:
        answers = os.fdopen(os.dup(1), "w")
        _write_to_file()
        pytest.main(sys.argv[1:], plugins=[_Collected(answers), _Chosen([])])
        return
    for line in sys.stdin:
        job = json.loads(line)
        answer = judge(partial(_run_pytest, job["arguments"], job["only"]), job["seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
