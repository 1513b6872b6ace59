"""docs/fleet.md and the models have the same fields, in the same formats and ranges."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from fastapi_hybrid_breaker.core.evidence import Evidence
from fastapi_hybrid_breaker.fleet import values
from fastapi_hybrid_breaker.fleet.about_instances import (
    LARGEST_ABOUT,
    AboutInstance,
    HeartbeatReply,
)
from fastapi_hybrid_breaker.fleet.answers import LeaseReply, Reply, Sums
from fastapi_hybrid_breaker.fleet.basic_format import BasicFields, JoinedFields
from fastapi_hybrid_breaker.fleet.commands import LARGEST_WHY
from fastapi_hybrid_breaker.fleet.messages import (
    HASH_FIELDS,
    LARGEST_MESSAGE,
    LARGEST_SIGNAL,
    CircuitHash,
    Figure,
    Signal,
    StateMessage,
    Tick,
    Why,
)
from fastapi_hybrid_breaker.fleet.scripts import NAMES as SCRIPTS
from fastapi_hybrid_breaker.fleet.scripts import load
from fastapi_hybrid_breaker.fleet.shared_override import About, SharedOverride
from fastapi_hybrid_breaker.fleet.values import wire_names

from .grammar import NUMBERS, STATES, WRITERS
from .odd import HUGE

_PATH: Final = Path(__file__).parents[2] / "docs" / "fleet.md"
PAGE: Final = _PATH.read_text(encoding="utf-8").replace("\N{MINUS SIGN}", "-")

FORMATS: Final[dict[str, Any]] = {
    "number": values.Number,
    "ms": values.Number,
    "us": values.Number,
    "count": values.Count,
    "version": values.Version,
    "exact": values.ExactTime,
    "figure": Figure,
    "name": values.InstanceName,
    "key": values.Key,
    "text": values.ShownText,
    "state": BasicFields.model_fields["state"].annotation,
    "joined": JoinedFields,
}
"""The formats that the page names, and the types by which the models read them."""

INPUTS: Final[list[Any]] = [
    *NUMBERS,
    *WRITERS,
    *STATES,
    *(f"OPEN|{text}|0|5" for text in NUMBERS),
    *(0, 1, 5.0, 5.5, -0.0, -1, 10**12, 10**12 + 1, 2**53 - 1, 2**53, HUGE, -HUGE),
    *(float("nan"), float("inf"), True, False, None, [], [5], {}, {"by": 5}, "a" * 300),
]


MALFORMED: Final = "malformed"
ABSENT: Final = (0, "", None)


class Row(NamedTuple):
    names: tuple[str, ...]
    cells: tuple[str, ...]


def table_after(words: str) -> list[Row]:
    """Return the rows of the first table behind some words of the page."""
    assert PAGE.count(words) == 1, words
    lines = PAGE[PAGE.index(words) + len(words) :].splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        first, *cells = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        names = tuple(re.findall("`([^`]+)`", first)) or tuple(first.split(", "))
        rows.append(Row(names, tuple(cells)))
    return rows


def names_in(rows: list[Row]) -> list[str]:
    return [name for row in rows for name in row.names]


def formats_in(rows: list[Row]) -> dict[str, str]:
    """Return the formats of a table by field; a row with two names may have two formats."""
    found = {}
    for row in rows:
        words = re.match(r"(\w+(?:, \w+)*)", row.cells[0])
        formats = words[1].split(", ") if words else []
        if len(formats) != len(row.names) or not set(formats) <= set(FORMATS):
            formats = formats[:1] * len(row.names)
        found |= {
            name: one for name, one in zip(row.names, formats, strict=False) if one in FORMATS
        }
    return found


def read_by(kind: Any, value: object) -> object:
    try:
        return TypeAdapter[Any](kind).validate_python(value)
    except ValidationError:
        return MALFORMED


HASH_ROWS: Final = table_after("### The hash of a circuit")
OURS: Final = [row for row in HASH_ROWS if not row.cells[1].endswith("`lease.lua`")]
TABLES: Final[dict[str, tuple[list[Row], tuple[type[BaseModel], ...]]]] = {
    "hash": (OURS, (BasicFields, CircuitHash)),
    "why": (table_after("**`why`** is an object"), (Why,)),
    "message": (table_after("The channel of states\n"), (StateMessage,)),
    "override": (table_after("**An override** in a message"), (SharedOverride,)),
    "signal": (table_after("### The channel of signals"), (Signal, Tick)),
    "instance": (table_after("**About an instance**"), (AboutInstance,)),
}
BY_SCRIPTS_ALONE: Final = {"ops", "openers"}
NOT_READ: Final = {"signal": {"p"}}
"""What other versions may want to read."""


@pytest.mark.parametrize("table", TABLES)
def test_the_page_has_the_fields_of_the_models_and_no_other(table: str) -> None:
    rows, models = TABLES[table]
    known = {name for model in models for name in wire_names(model)} - {"basic"}
    told = set(names_in(rows)) - NOT_READ.get(table, set())
    assert told - BY_SCRIPTS_ALONE == known
    assert len(names_in(rows)) == len(set(names_in(rows)))


@pytest.mark.parametrize("table", TABLES)
def test_a_field_is_read_in_the_format_that_the_page_names(table: str) -> None:
    rows, models = TABLES[table]
    formats = formats_in(rows)
    fields = {
        field.alias or name: field for model in models for name, field in model.model_fields.items()
    }
    assert set(formats) - set(fields) <= BY_SCRIPTS_ALONE | NOT_READ.get(table, set())
    for name in formats.keys() & fields.keys():
        least, most = range_of(rows, name)
        field = fields[name]
        kind: Any = field.annotation
        for part in field.metadata:
            kind = Annotated[kind, part]
        for value in [*INPUTS, least - 1, least, most, most + 1]:
            expected = read_by(FORMATS[formats[name]], value)
            if isinstance(expected, int) and not least <= expected <= most:
                expected = MALFORMED
            is_read = read_by(kind, value)
            if expected == MALFORMED and is_read != MALFORMED:
                assert is_read in ABSENT, (name, value)  # it alone is dropped
            else:
                assert is_read == expected, (name, value)


def range_of(rows: list[Row], name: str) -> tuple[int, int]:
    """Return the range of a field, where it is narrower than that of its format."""
    format_cell = next(row.cells[0] for row in rows if name in row.names)
    found = re.search("above 0|0 to ([0-9][0-9,^ -]*)", format_cell)
    if found is None:
        return 0, values.LATEST
    return (0, power(found[1].replace(",", ""))) if found[1] else (1, values.LATEST)


def power(text: str) -> int:
    """Return the number that the page writes, such as ``2^53 - 10^12 - 1``."""
    assert re.fullmatch(r"[0-9^ -]+", text), text
    parts = [part.strip().split("^") for part in text.split("-")]
    first, *others = (int(part[0]) ** int(part[1]) if part[1:] else int(part[0]) for part in parts)
    return first - sum(others)


def ranges() -> dict[str, tuple[int, int, str, str]]:
    rows = table_after("Each field in the tables below has one of these formats:")
    found = {}
    for row in rows:
        _, within, beyond = row.cells
        matched = re.fullmatch(r"(\d+) to (.*?)( characters)?", within)
        if matched is not None:
            for name in row.names:
                found[name] = (int(matched[1]), power(matched[2]), beyond, matched[3] or "")
    return found


def test_the_page_names_all_formats() -> None:
    rows = table_after("Each field in the tables below has one of these formats:")
    assert set(names_in(rows)) == set(FORMATS)


@pytest.mark.parametrize("name", sorted(ranges()))
def test_a_format_has_the_range_that_the_page_names(name: str) -> None:
    least, most, beyond, unit = ranges()[name]
    kind = FORMATS[name]

    def read(size: int) -> object:
        value = "a" * size if unit else str(size) if name == "version" else size
        return read_by(kind, value)

    absent = 0 if name == "figure" else MALFORMED  # of which each is dropped alone
    for size in (least, most):
        assert read(size) == ("a" * size if unit else size)
    if least > 0 or not unit:
        assert read(least - 1) == absent
    if beyond == "malformed":
        assert read(most + 1) == absent
    elif beyond == "cut":
        assert read(most + 1) == "a" * most
    else:
        assert beyond == "counts as 10^12, up to 2^53 - 1"
        assert (read(most + 1), read(2**53 - 1), read(2**53)) == (most, most, MALFORMED)


@pytest.mark.parametrize(
    ("words", "bytes_"),
    [
        ("message above 64 KiB", LARGEST_MESSAGE),
        ("signal above 4 KiB", LARGEST_SIGNAL),
    ],
)
def test_a_message_has_the_size_that_the_page_names(words: str, bytes_: int) -> None:
    assert words in PAGE
    assert int(re.findall(r"(\d+) KiB", words)[0]) * 1024 == bytes_


def test_json_in_a_hash_has_the_size_that_the_page_names() -> None:
    assert f"It has {LARGEST_WHY} characters and {values.LONGEST_JSON} bytes at most" in PAGE
    assert f"in UTF-8, {values.LONGEST_JSON} bytes at most" in PAGE
    assert f"JSON of {LARGEST_ABOUT} bytes at most" in PAGE


def test_a_hash_is_read_by_the_names_that_scripts_write() -> None:
    scripts = "\n".join(load(name).text for name in SCRIPTS)
    for name in names_in(HASH_ROWS):
        assert f"'{name}'" in scripts, name
    assert set(HASH_FIELDS) <= set(names_in(HASH_ROWS))


@pytest.mark.parametrize(
    ("script", "model"),
    [("circuit.lua", Reply), ("evidence.lua", Sums), ("lease.lua", LeaseReply)],
)
def test_an_answer_has_the_values_that_the_page_names(script: str, model: type[BaseModel]) -> None:
    rows = table_after(f"The answer of `{script}`:")
    assert names_in(rows) == [*wire_names(model)]


@pytest.mark.parametrize(
    ("words", "model"),
    [
        ("Evidence about another state than `:of` is dropped whole.", Sums),
        ("`places` is ARGV[5] less the others' probes.", LeaseReply),
    ],
)
def test_an_answer_has_the_statuses_that_the_page_names(words: str, model: type[BaseModel]) -> None:
    table = PAGE[: PAGE.index(words)].rstrip().rpartition("\n\n")[2]
    told = {name for line in table.splitlines()[2:] for name in re.findall("`([a-z]+)`", line[:30])}
    assert told == statuses(model)


def test_circuit_lua_has_the_statuses_that_the_page_names() -> None:
    cells = [
        cell
        for row in table_after("nobody may know two states under\none version.\n")
        for cell in row.cells
    ]
    told = {name for cell in cells for name in re.findall("`([a-z]+)`", cell)}
    assert told >= statuses(Reply)
    assert told - statuses(Reply) <= {"ops"}


def statuses(model: type[BaseModel]) -> set[str]:
    return set(get_args(model.model_fields["status"].annotation))


def test_signals_are_those_that_the_page_names() -> None:
    told = set(names_in(table_after("its receiver knows (version and writer equal) is ignored.")))
    names = {
        name for model in (Signal, Tick) for name in get_args(model.model_fields["name"].annotation)
    }
    assert told == names


def test_evidence_of_circuits_and_of_messages_has_the_same_fields() -> None:
    assert set(Why.model_fields) == set(Evidence.__dataclass_fields__)
    assert set(About.model_fields) == {"by", "reason", "mode"}
    assert set(HeartbeatReply.model_fields) == {"live", "is_new"}
