"""Where the output of the command goes: terminals that know no size, full disks, pipes."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.patience import PATIENCE

from .command import COMMAND, ROOT, environment, process

if TYPE_CHECKING:
    from tests.fleet.server import Server


@pytest.mark.parametrize("columns", ["0", "19"])
def test_status_was_empty_in_a_terminal_of_no_width(server: Server, columns: str) -> None:
    done = process("status", "--redis", server.url, COLUMNS=columns)
    assert done.code == 0, done
    assert f"fleet 'circuit', Redis at 127.0.0.1:{server.port}, database 0" in done.out


def test_a_narrow_terminal_is_taken_at_its_word(server: Server) -> None:
    done = process("status", "--redis", server.url, COLUMNS="20")
    assert done.code == 0, done
    assert max(map(len, done.out.splitlines())) <= 20


@pytest.mark.parametrize("options", [("status",), ("status", "--json")])
def test_output_that_cannot_be_written_was_a_traceback(
    server: Server, options: tuple[str, ...]
) -> None:
    """As on a full disk; here it is open for reading only."""
    with open(os.devnull) as nowhere:  # noqa: PTH123
        done = subprocess.run(
            [*COMMAND, *options, "--redis", server.url],
            cwd=ROOT,
            env=environment(),
            stdout=nowhere,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: Bad file descriptor\n"


def test_a_reader_that_has_enough_is_no_error(server: Server) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:  # noqa: PTH123
        done = subprocess.run(
            [*COMMAND, "status", "--json", "--redis", server.url],
            cwd=ROOT,
            env=environment(),
            stdout=pipe,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
    assert done.stderr == ""
