"""How many histories a test plays that draws them by chance: a few, and many in ``test-all``."""

from __future__ import annotations

import pytest


def few_or_many(few: int, many: int) -> pytest.MarkDecorator:
    """Give a test ``histories``: ``few`` of them, and once more, as a slow test, ``many``."""
    return pytest.mark.parametrize(
        "histories",
        [pytest.param(few, id="few"), pytest.param(many, id="many", marks=pytest.mark.slow)],
    )
