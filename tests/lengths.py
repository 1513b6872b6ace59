"""What ``make test`` has a short version of, and ``make test-all`` all."""

from __future__ import annotations

from typing import Any

import pytest


def slowly(*cases: Any) -> list[Any]:
    """Return cases of a test that show once more, at some cost, what another case shows."""
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


def few_or_many(few: int, many: int) -> pytest.MarkDecorator:
    """Return a test that draws histories by chance ``few`` of them, and as a slow test ``many``."""
    return pytest.mark.parametrize(
        "histories",
        [pytest.param(few, id="few"), pytest.param(many, id="many", marks=pytest.mark.slow)],
    )
