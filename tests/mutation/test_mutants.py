"""Which changes are made, and what becomes of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from . import lua, python
from .covering import LONGEST, Covering, measure
from .mutant import Mutant, make
from .plan import PARTS, SCRIPTS, files_for_script, mutants_of, sample
from .survivors import Listed, read
from .workspace import Workspace

ROOT = Path(__file__).parents[2]

MODULE = '''"""Toy."""

LIMIT: int = 3


def rising(values: list[int]) -> bool:
    """Return whether they rise, "< 3" at a time."""
    for one, other in zip(values, values[1:]):
        if not one < other:
            return False
    return True


def wait_for(done: list[bool]) -> int:
    turns = 0
    while not done:
        turns += 1
        if turns >= LIMIT:
            done.append(True)
    return turns
'''

TEST = """
from toy import rising, wait_for

def test_rising() -> None:
    assert rising([1, 2, 3])
    assert not rising([1, 1])

def test_waiting() -> None:
    assert wait_for([]) == 3
"""

SCRIPT = """-- return 1 < 2
local function double(value)
  if value == nil or value < 0 then return -1 end
  local text = 'a - b'
  value = value * 2
  return value
end
return double(math.max(ARGV, 1))
"""


def change_of(mutants: list[Mutant], change: str, code: str = "") -> Mutant:
    [found] = [one for one in mutants if one.change == change and code in one.code]
    return found


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    root = tmp_path / "toy"
    root.mkdir()
    (root / "toy.py").write_text(MODULE)
    (root / "test_toy.py").write_text(TEST)
    (root / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    return root


def test_a_change_that_a_test_notices_is_killed_and_one_that_changes_nothing_survives(
    toy: Path, tmp_path: Path
) -> None:
    mutants = list(python.mutants_of("toy.py", MODULE))
    with Workspace(toy, tmp_path) as space:
        assert not space.try_out(None, ["test_toy.py"], 60.0).killed
        noticed = change_of(mutants, "one < other -> (one <= other)")
        verdict = space.try_out(noticed, ["test_toy.py"], 60.0)
        assert (verdict.killed, verdict.by) == (True, "test_toy.py::test_rising")
        counted = change_of(mutants, "turns >= LIMIT -> (turns > LIMIT)")
        assert space.try_out(counted, ["test_toy.py"], 60.0).killed
        # These tests cannot tell the two apart.
        unnoticed = change_of(mutants, "return False -> return None")
        assert not space.try_out(unnoticed, ["test_toy.py"], 60.0).killed
        assert (space.tree / "toy.py").read_text() == MODULE
    assert (toy / "toy.py").read_text() == MODULE


def test_a_change_without_which_nothing_ends_is_killed_by_time(toy: Path, tmp_path: Path) -> None:
    mutants = list(python.mutants_of("toy.py", MODULE))
    endless = change_of(mutants, "removed: done.append(True)")
    with Workspace(toy, tmp_path) as space:
        verdict = space.try_out(endless, ["test_toy.py"], 5.0)
        assert (verdict.killed, verdict.by) == (True, "no end in time")
        assert not space.try_out(None, ["test_toy.py"], 60.0).killed


def test_the_chosen_tests_run_alone_and_in_their_order(toy: Path, tmp_path: Path) -> None:
    mutants = list(python.mutants_of("toy.py", MODULE))
    noticed = change_of(mutants, "one < other -> (one <= other)")
    with Workspace(toy, tmp_path) as space:
        other = ["test_toy.py::test_waiting"]
        assert not space.try_out(noticed, ["test_toy.py"], 60.0, other).killed
        assert space.try_out(
            noticed, ["test_toy.py"], 60.0, [*other, "test_toy.py::test_rising"]
        ).killed


def test_scripts_are_read_again_for_each_mutant_and_tests_are_not(tmp_path: Path) -> None:
    file = f"{SCRIPTS}/heartbeat.lua"
    text = (ROOT / file).read_text(encoding="utf-8")
    noticed = change_of(list(mutants_of(ROOT, file)), "and -> or", "return { redis")
    words = "is_new and 1 or 0"
    at = text.index(words)
    equivalent = make(file, text, at, at + len(words), f"({words})")
    tests = ["tests/fleet/test_script_heartbeat.py"]
    with Workspace(ROOT, tmp_path, tests) as space:
        for mutant, killed in (
            (None, False),
            (noticed, True),
            (equivalent, False),
            (noticed, True),
        ):
            assert space.try_out(mutant, tests, 60.0).killed is killed, space.output()


def test_what_is_changed_in_python() -> None:
    changes = [one.change for one in python.mutants_of("toy.py", MODULE)]
    assert changes == [
        "3 -> (4)",
        "1 -> (2)",
        "not one < other -> (one < other)",
        "one < other -> (one <= other)",
        "one < other -> (one >= other)",
        "return False -> return None",
        "False -> (True)",
        "return True -> return None",
        "True -> (False)",
        "0 -> (1)",
        "not done -> (done)",
        "removed: turns += 1",
        "turns += 1 -> turns -= 1",
        "1 -> (2)",
        "turns >= LIMIT -> (turns < LIMIT)",
        "turns >= LIMIT -> (turns > LIMIT)",
        "removed: done.append(True)",
        "True -> (False)",
        "return turns -> return None",
    ]


def test_what_is_changed_in_lua() -> None:
    changes = [one.change for one in lua.mutants_of("toy.lua", SCRIPT)]
    assert changes == [
        "condition negated",
        "== -> ~=",
        "or -> and",
        "< -> <=",
        "< -> >=",
        "0 -> 1",
        "removed: return -1",
        "- -> ",
        "1 -> 2",
        "'a - b' -> 'xa - b'",
        "removed: value = value * 2",
        "* -> /",
        "2 -> 3",
        "removed: return value",
        "removed: return double(math.max(ARGV, 1))",
        "max -> min",
        "1 -> 2",
    ]


def test_a_mutant_stands_where_its_line_is() -> None:
    for mutant in lua.mutants_of("toy.lua", SCRIPT):
        assert SCRIPT.splitlines()[mutant.line - 1].strip() == mutant.code
        assert len(mutant.applied_to(SCRIPT).splitlines()) == len(SCRIPT.splitlines())
    text = 'WORD = "ж"; NUMBER = 1 + 2  # ж\n'
    [plus, _one, _two] = sorted(
        python.mutants_of("toy.py", text), key=lambda one: -one.end + one.start
    )
    assert plus.applied_to(text) == 'WORD = "ж"; NUMBER = (1 - 2)  # ж\n'


@pytest.mark.parametrize("name", ["core", "circuits", "fleet"])
def test_each_python_mutant_is_python(name: str) -> None:
    for file in PARTS[name].files(ROOT)[::15]:
        text = (ROOT / file).read_text(encoding="utf-8")
        for mutant in mutants_of(ROOT, file):
            ast.parse(mutant.applied_to(text))


def test_each_script_is_read_and_what_does_not_compile_is_left_out() -> None:
    for file in PARTS["scripts"].files(ROOT):
        every = list(lua.mutants_of(file, (ROOT / file).read_text(encoding="utf-8")))
        kept = list(mutants_of(ROOT, file))
        assert len(every) * 0.9 < len(kept) <= len(every)
    assert not lua.compiles("local function f( return 1 end")
    assert lua.compiles("return 1")


def test_the_same_seed_chooses_the_same_mutants() -> None:
    mutants = list(python.mutants_of("toy.py", MODULE))
    assert sample(mutants, 5, 1) == sample(mutants, 5, 1)
    assert len(sample(mutants, 5, 1)) == 5
    assert sample(mutants, 5, 1) != sample(mutants, 5, 2)
    assert sample(mutants, 0, 1) == mutants == sample(mutants, 1000, 1)


def test_a_line_is_judged_by_the_tests_that_come_to_it_the_likely_and_the_quick_first() -> None:
    file = "some/toy.py"
    line = next(one for one in python.mutants_of(file, MODULE) if one.change == "0 -> (1)")
    seconds = {"tests/test_a.py::slow": 2.0, "tests/test_a.py::quick": 1.0}
    seconds |= {"tests/test_toy.py::t": 3.0, "tests/test_a.py::elsewhere": 0.1}
    seconds["tests/test_a.py::hour"] = LONGEST
    there = frozenset(seconds) - {"tests/test_a.py::elsewhere"} | {"tests/test_a.py::failed"}
    covering = Covering(seconds, {(file, line.line): there})
    expected = ["tests/test_toy.py::t", "tests/test_a.py::quick", "tests/test_a.py::slow"]
    assert covering.judges_of(line) == expected
    at_import = Covering(seconds, {}).judges_of(line)
    assert at_import[:2] == ["tests/test_toy.py::t", "tests/test_a.py::elsewhere"]


def test_which_tests_come_to_a_line_is_measured(toy: Path) -> None:
    measured = measure(toy, ".", ["test_toy.py"])
    assert set(measured.seconds) == {"test_toy.py::test_rising", "test_toy.py::test_waiting"}
    mutants = list(python.mutants_of("toy.py", MODULE))
    assert measured.judges_of(change_of(mutants, "removed: done.append(True)")) == [
        "test_toy.py::test_waiting"
    ]
    at_import = next(one for one in mutants if one.change == "3 -> (4)")
    assert len(measured.judges_of(at_import)) == 2


def test_the_tests_of_a_script_are_there() -> None:
    for file in PARTS["scripts"].files(ROOT):
        tests = files_for_script(Path(file).name)
        assert tests
        assert all((ROOT / one).is_file() for one in tests)


def test_a_listed_survivor_is_a_mutant_of_today_and_has_a_reason() -> None:
    known: dict[str, list[Mutant]] = {}
    for listed in read():
        [file] = [
            one
            for part in PARTS.values()
            for one in part.files(ROOT)
            if one.endswith(f"/{listed.file}")
        ]
        if file not in known:
            known[file] = list(mutants_of(ROOT, file))
        lines = [one.line for one in known[file] if listed.is_about(one)]
        assert len(lines) == len(set(lines)) > 0, listed
        assert listed.why


def test_a_survivor_is_found_again_when_its_line_has_moved(tmp_path: Path) -> None:
    path = tmp_path / "survivors.toml"
    path.write_text(
        '[[survivor]]\nfile = "toy.py"\ncode = "if turns >= LIMIT:"\ncolumn = 3\n'
        'change = "turns >= LIMIT -> (turns > LIMIT)"\nwhy = "told apart by nothing"\n'
    )
    [listed] = read(path)
    moved = list(python.mutants_of("some/toy.py", f"import sys\n\n{MODULE}"))
    assert listed.is_about(change_of(moved, listed.change))
    assert listed == Listed("toy.py", listed.code, 3, listed.change, "told apart by nothing")
    assert sum(map(listed.is_about, moved)) == 1
