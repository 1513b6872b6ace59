"""The application of docs/telemetry.md, for uvicorn."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

DOCS = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text(encoding="utf-8")


@functools.cache
def run_example() -> dict[str, Any]:
    """Run the Python blocks of the page, and give their names."""
    names: dict[str, Any] = {"__name__": "example"}
    for block in re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL):
        exec(compile(block, "docs/telemetry.md", "exec", dont_inherit=True), names)  # noqa: S102
    return names


def __getattr__(name: str) -> Any:
    if name == "app":  # only where it is served: it sets the process's provider of meters
        return run_example()["app"]
    raise AttributeError(name)
