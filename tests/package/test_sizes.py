"""A class has one subject, and a reader can keep it in mind: how large things may be."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "fastapi_hybrid_breaker"
FILES = sorted(PACKAGE.rglob("*.py"))

MOST_FIELDS = 12
MOST_LINES_OF_A_FILE = 350
MOST_LINES_OF_A_FUNCTION = 50

EXCEPTED: dict[str, str] = {}
"""Classes with more fields, by name, each with its reason. Not listed: frozen dataclasses, named
tuples and models of pydantic, which are values and messages and do nothing."""

_VALUES = {"NamedTuple", "TypedDict", "BaseModel", "WireModel", "BaseSettings", "Protocol"}


def name_of(node: ast.expr) -> str:
    """Return the last name of an expression such as ``typing.Final[int]``."""
    if isinstance(node, ast.Subscript | ast.Call):
        return name_of(node.value if isinstance(node, ast.Subscript) else node.func)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_value(node: ast.ClassDef, values: set[str]) -> bool:
    """Return whether a class only holds values, or inherits from one that does."""
    if any(name_of(base) in values for base in node.bases):
        return True
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and name_of(decorator) == "dataclass":
            given = {word.arg: word.value for word in decorator.keywords}
            frozen = given.get("frozen")
            return isinstance(frozen, ast.Constant) and frozen.value is True
    return False


def is_class_variable(node: ast.AnnAssign) -> bool:
    return name_of(node.annotation) in {"ClassVar", "Final"}


def fields_of(node: ast.ClassDef) -> set[str]:
    """Return what instances of a class store: slots, annotated names, and what methods assign."""
    found: set[str] = set()
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            if not is_class_variable(part) and part.value is None:
                found.add(part.target.id)
        elif isinstance(part, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__slots__" for target in part.targets
        ):
            slots = ast.literal_eval(part.value)
            found |= {slots} if isinstance(slots, str) else set(slots)
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.args.args:
            this = part.args.args[0].arg
            found |= {
                one.attr
                for one in ast.walk(part)
                if isinstance(one, ast.Attribute)
                and isinstance(one.ctx, ast.Store)
                and isinstance(one.value, ast.Name)
                and one.value.id == this == "self"
            }
    return found - {"__weakref__", "__dict__"}


def code_lines(source: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function's body that are neither empty nor comments or docstring."""
    body = node.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    if not body:
        return 0
    lines = source[body[0].lineno - 1 : node.end_lineno]
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))


def too_large(text: str, values: set[str] = _VALUES) -> Iterator[str]:
    """Return what is larger than it may be in a module."""
    lines = text.splitlines()
    if len(lines) > MOST_LINES_OF_A_FILE:
        yield f"{len(lines)} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if (count := code_lines(lines, node)) > MOST_LINES_OF_A_FUNCTION:
                yield f"{node.name}: {count} lines of code"
        elif isinstance(node, ast.ClassDef) and node.name not in EXCEPTED:
            fields = fields_of(node)
            if len(fields) > MOST_FIELDS and not is_value(node, values):
                yield f"{node.name}: {len(fields)} fields"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_class_file_or_function_is_too_large(file: Path) -> None:
    assert list(too_large(file.read_text())) == []


def test_every_exception_is_still_needed() -> None:
    large = {
        node.name
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef) and len(fields_of(node)) > MOST_FIELDS
    }
    assert set(EXCEPTED) <= large


ASSIGNED = "\n".join(f"        self.f{number} = 0" for number in range(13))
SLOTS = ", ".join(f"'f{number}'" for number in range(13))
ANNOTATED = "\n".join(f"    f{number}: int" for number in range(13))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"class A:\n    def __init__(self):\n{ASSIGNED}", ["A: 13 fields"]),
        (f"class A:\n    def later(self):\n{ASSIGNED}", ["A: 13 fields"]),
        (f"class A:\n    __slots__ = ({SLOTS})", ["A: 13 fields"]),
        (f"@dataclass\nclass A:\n{ANNOTATED}", ["A: 13 fields"]),
        (f"@dataclass(slots=True)\nclass A:\n{ANNOTATED}", ["A: 13 fields"]),
        (f"@dataclass(frozen=True)\nclass A:\n{ANNOTATED}", []),
        (f"class A(NamedTuple):\n{ANNOTATED}", []),
        ("x = 1\n" * 351, ["351 lines"]),
        ("x = 1\n" * 350, []),
        ("def f():\n" + "    x = 1\n" * 51, ["f: 51 lines of code"]),
        ("def f():\n    '''Do.'''\n    # why\n\n" + "    x = 1\n" * 50, []),
    ],
    ids=range(11),
)
def test_what_counts_as_too_large(text: str, found: list[str]) -> None:
    assert list(too_large(text)) == found
