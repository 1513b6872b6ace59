"""The recipe of docs/telemetry.md: rejections are no error events in Sentry."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from .served import DOCS


def events(options: str) -> dict[str, list[str]]:
    program = [sys.executable, "-m", "tests.telemetry.sentry_events", options]
    root = Path(__file__).parents[2]
    ended = subprocess.run(program, cwd=root, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_with_the_recipe_a_rejection_is_no_error_event() -> None:
    (options,) = re.findall(r"`sentry_sdk\.init\((.+?)\)`", DOCS)
    assert events(options) == {"rejections": [], "others": ["RuntimeError"]}


def test_without_it_each_is_one() -> None:
    """When this fails, the recipe is needed no more."""
    assert events("") == {"rejections": ["RouteRejectedError"], "others": ["RuntimeError"]}
