"""``status --watch``: on a terminal, and through a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import io
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from typing import TYPE_CHECKING, Self

import pytest
from rich.console import Console

from fastapi_hybrid_breaker.cli.errors import CommandError
from fastapi_hybrid_breaker.cli.options import Place
from fastapi_hybrid_breaker.cli.watch import EVERY, watch
from tests import inside
from tests.fleet.instances import fail, fleet, settled
from tests.fleet.speaker import PlainSpeaker
from tests.patience import PATIENCE

from .command import COMMAND, ROOT, environment

if TYPE_CHECKING:
    from types import TracebackType

    from fastapi_hybrid_breaker.cli.picture import Picture
    from tests.fleet.server import Server

KEY = "inventory-api"


class Watching:
    """A ``status --watch`` on a terminal of its own."""

    def __init__(self, server: Server, *arguments: str, lines: int = 40) -> None:
        self.seen = ""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 150, 0, 0))
        variables = environment(CIRCUIT_REDIS_URL=server.url, TERM="xterm-256color")
        variables.pop("COLUMNS")
        self._process = subprocess.Popen(
            [*COMMAND, "status", "--watch", *arguments],
            cwd=ROOT,
            env=variables,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        os.close(self._ours)

    def forget(self) -> None:
        self.seen = ""

    def until(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} never came: {self.seen}"
            time.sleep(0.01)

    def interrupt(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(PATIENCE)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(self._ours, 65536):
                self.seen += piece.decode(errors="replace")


async def test_watch_draws_a_trip_and_a_reset_and_ends_when_interrupted(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        with Watching(server) as watching:
            await asyncio.to_thread(watching.until, "No circuit has changed")
            await fail(breaker, KEY)
            await asyncio.to_thread(watching.until, "✖ 1 OPEN")
            await asyncio.to_thread(watching.until, "3 failures in a row")
            watching.forget()
            await breaker.reset(KEY)
            await asyncio.to_thread(watching.until, "✔ 1 CLOSED")
            assert watching.interrupt() == 0
            assert "Traceback" not in watching.seen


async def test_watch_says_that_redis_is_lost_and_goes_on_when_it_is_back(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, KEY)
        await settled(breaker)
        with Watching(server, "--timeout", "0.3") as watching:
            await asyncio.to_thread(watching.until, KEY)
            server.kill()
            await asyncio.to_thread(watching.until, "cannot be reached")
            await asyncio.to_thread(watching.until, "this is what it was at")
            server.start()
            server.hang()
            await asyncio.to_thread(watching.until, "did not answer within")
            server.resume()
            await asyncio.to_thread(watching.until, "this is what it was at")
            watching.forget()
            await breaker.reset(KEY)
            await asyncio.to_thread(watching.until, "✔ 1 CLOSED")
            assert watching.interrupt() == 0


async def test_watch_shows_the_worst_that_find_room(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        for number in range(50):
            await fail(breaker, f"open-{number:02}")
        await settled(breaker)
        with Watching(server, lines=24) as watching:
            await asyncio.to_thread(watching.until, "more circuits")
            assert "open-00" in watching.seen
            assert "open-49" not in watching.seen
            assert inside.sync_of(breaker).instance in watching.seen
            assert watching.interrupt() == 0


async def test_watch_through_a_pipe_gives_a_line_of_json_a_second(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        watching = await asyncio.create_subprocess_exec(
            *(*COMMAND, "status", "--watch", "--json"),
            cwd=ROOT,
            env=environment(CIRCUIT_REDIS_URL=server.url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert watching.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert json.loads(await watching.stdout.readline())["circuits"] == []
            await fail(breaker, KEY)
            await settled(breaker)
            await watching.stdout.readline()  # may have been on its way
            (row,) = json.loads(await watching.stdout.readline())["circuits"]
            assert (row["key"], row["state"]) == (KEY, "OPEN")
            watching.send_signal(signal.SIGINT)
            _, err = await watching.communicate()
        assert (watching.returncode, err) == (0, b"")


def test_watch_in_this_process_draws_what_changes(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place.of(server.url, "circuit", 3.0)
    console = Console(force_terminal=True, width=150, height=40, record=True, file=io.StringIO())
    turns = iter(
        [
            lambda: PlainSpeaker(server, KEY).say("OPEN", open_for=50.0),
            server.kill,
            server.start,
        ]
    )

    sleep = time.sleep

    def pause(seconds: float) -> None:
        if seconds != EVERY:
            return sleep(seconds)  # of the server's helper
        turn = next(turns, None)
        if turn is None:
            raise KeyboardInterrupt
        return turn()

    monkeypatch.setattr(time, "sleep", pause)
    watch(place, console, scan=True, emit=lambda _picture: None)
    drawn = console.export_text()
    lost = "cannot be reached"
    turned = [drawn.index(text) for text in ("No circuit has changed", "✖ 1 OPEN", lost)]
    assert turned == sorted(turned)
    assert drawn.rindex("No circuit has changed") > drawn.index(lost), drawn  # back, and empty


def test_watch_without_a_terminal_prints_and_ends_when_redis_is_lost(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place.of(server.url, "circuit", 3.0)
    console = Console(force_terminal=False, file=io.StringIO())
    pictures: list[Picture] = []
    turns = iter([lambda: PlainSpeaker(server, KEY).say("OPEN", open_for=50.0), server.kill])
    monkeypatch.setattr(time, "sleep", lambda _seconds: next(turns)())
    with pytest.raises(CommandError, match="cannot be reached") as raised:
        watch(place, console, scan=True, emit=pictures.append)
    assert raised.value.code == 3
    assert [len(picture.rows) for picture in pictures] == [0, 1]
