"""What the simulator's README shows works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import simulator


def test_the_scenario_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    readme = Path(simulator.__file__).with_name("README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert code is not None
    exec(code.group(1), {})  # noqa: S102 - it is ours
    printed = capsys.readouterr().out
    assert "everything held" in printed
    shown = re.search(r"```text\n(.*?)```", readme, re.DOTALL)
    assert shown is not None
    # The history's details may change with the protocol; what can be read from it may not.
    for line in (
        "4 instances, 0 basic-format clients",
        "CLOSED -> OPEN (failures)",
        "everything held",
    ):
        assert line in printed
        assert line in shown.group(1)
