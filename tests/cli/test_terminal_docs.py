"""docs/terminal.md: its examples run, and its tables name what there is."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields

from fastapi_hybrid_breaker.cli.errors import Exit
from fastapi_hybrid_breaker.fleet.instances import Instance
from tests.fleet.instances import fail, fleet, settled
from tests.fleet.server import Server

from .command import ROOT, beside
from .test_status import ROW

DOCS = (ROOT / "docs" / "terminal.md").read_text(encoding="utf-8")


def _table(heading: str) -> str:
    rest = DOCS[DOCS.index(heading) :]
    return rest[: rest.index("\n\n")]


async def test_the_examples_run(server: Server) -> None:
    blocks = "".join(re.findall(r"```console\n(.*?)```", DOCS, re.DOTALL))
    lines = re.findall(r"^\$ fastapi-hybrid-breaker (.*?)(?: \|.*)?$", blocks, re.MULTILINE)
    commands = [shlex.split(line) for line in lines if "--watch" not in line]
    assert [command[0] for command in commands] == [
        *("status", "show", "reset", "open", "disable", "clear", "status"),
    ]
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, "inventory-api")
        await settled(breaker)
        for command in commands:
            done = await beside(server, *command)
            assert done.code == 0, done


def test_the_exit_codes_are_those_of_the_table() -> None:
    codes = re.findall(r"^\| (\d) \|", _table("| code |"), re.MULTILINE)
    assert [int(code) for code in codes] == list(Exit)


def test_the_fields_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", _table("| field of a circuit |"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == ROW
    instance = DOCS[DOCS.index("An instance has") :]
    for field in fields(Instance):
        assert f"`{field.name}`" in instance
