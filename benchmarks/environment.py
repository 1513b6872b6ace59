"""Installs what is measured into the environment that runs this, and notes what does not install.

``python -m benchmarks.environment`` is a part of ``make bench``. It imports nothing but the
standard library: nothing else is there yet.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
REQUIREMENTS: Final = ROOT / "benchmarks" / "requirements.txt"
CONSTRAINTS: Final = ROOT / "constraints.txt"
NOTE: Final = "left-out.json"

_NEEDED = "# What these need."


def wanted(text: str) -> list[str]:
    """Return the names that are asked for; those below the last heading only come along."""
    lines = text.partition(_NEEDED)[0].splitlines()
    return [line.partition("==")[0] for line in lines if line and not line.startswith("#")]


def install(*names: str) -> str:
    """Install with the pinned versions; gives why that failed, or nothing."""
    errors = _pip("--constraint", str(CONSTRAINTS), "--constraint", str(REQUIREMENTS), *names)
    if errors is None:
        return ""
    # By itself and with any version, pip says what is wrong with it; else what does not go
    # together.
    return reason(_pip("--dry-run", "--no-deps", *names) or errors)


def _pip(*arguments: str) -> str | None:
    """Return pip's complaints if it failed."""
    done = subprocess.run(  # noqa: S603 - our own command
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *arguments,
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    return None if done.returncode == 0 else done.stderr


def reason(errors: str) -> str:
    """Return the line in which pip says what is wrong: of Python's version, else its first one."""
    lines = [line.strip().removeprefix("ERROR: ") for line in errors.splitlines()]
    lines = [line for line in lines if line and not line.startswith("WARNING")]
    versions = re.findall(r"Requires-Python ([^;\s]+)", errors)
    if versions:
        return f"needs Python {versions[-1]}"
    return (lines or ["pip failed without a word"])[0][:300]


def main() -> None:
    names = wanted(REQUIREMENTS.read_text())
    left_out: dict[str, str] = {}
    if install(*names):  # one that does not install keeps all others out
        for name in names:
            why = install(name)
            if why:
                left_out[name] = why
                sys.stderr.write(f"left out: {name}: {why}\n")
    (Path(sys.prefix) / NOTE).write_text(json.dumps(left_out, indent=1) + "\n")


if __name__ == "__main__":
    main()
