from __future__ import annotations

import asyncio
import io
import re
from typing import TYPE_CHECKING

import httpx
import pytest
from rich.console import Console

from demo_app.cast import Cast
from demo_app.display import Display
from demo_app.stage import Stage
from demo_app.traffic import Answer
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Cast("redis://127.0.0.1:1/0") as cast:
        stage = Stage(cast, httpx.AsyncClient(), patience=1.0)
        shop = stage.shops[1]
        shop.state, shop.sync = "OPEN", "isolated"
        for _ in range(17):
            shop.tally.add(Answer.REJECTED)
        yield stage


async def test_on_a_terminal_the_tables_are_drawn_again_and_again(stage: Stage) -> None:
    output = io.StringIO()
    display = Display(Console(file=output, force_terminal=True, width=120, height=50))
    display.show(stage)
    with display:
        drawing = asyncio.create_task(display.keep_drawing())
        display.begin("the first step")
        async with asyncio.timeout(PATIENCE):
            while output.getvalue().count("shop-2") < 2:
                await asyncio.sleep(0.01)
        display.end("the first step", "seen")
        drawing.cancel()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.getvalue())
    assert "▶ the first step" in text
    assert "✓ the first step: seen" in text
    assert re.search(r"shop-2 +│ OPEN +│ isolated +│ +\d+ │ +0 │ +0 │ +0 │ +17 │", text)


def test_elsewhere_each_step_is_told_in_plain_lines(stage: Stage) -> None:
    output = io.StringIO()
    display = Display(Console(file=output))
    display.show(stage)
    with display:
        display.begin("the first step")
        display.end("the first step", "seen [as text, not markup]")
    display.fail("the second step", "x" * 300)
    assert "\x1b" not in output.getvalue()
    first, second, *status, upstream, failed = output.getvalue().splitlines()
    assert first.endswith("… the first step")
    assert second.endswith("✓ the first step: seen [as text, not markup]")
    assert [line.split()[:2] for line in status] == [
        ["shop-1", "?"],
        ["shop-2", "OPEN"],
        ["shop-3", "?"],
    ]
    assert upstream.strip() == "upstream healthy, 0 calls so far"
    assert failed == f"step failed: the second step: {'x' * 300}"


def test_the_summary_shows_every_figure(stage: Stage) -> None:
    output = io.StringIO()
    stage.note("calls", "7")
    stage.note("delay [ms]", "1.5")
    Display(Console(file=output)).summarise(stage)
    assert re.search(r"calls +│ 7 ", output.getvalue())
    assert re.search(r"delay \[ms\] +│ 1.5 ", output.getvalue())
