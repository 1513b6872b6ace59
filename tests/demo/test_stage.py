from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from demo_app.cast import Cast
from demo_app.stage import NotSeenError, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def impatient() -> Iterator[Stage]:
    with Cast("redis://127.0.0.1:1/0") as cast:
        yield Stage(cast, httpx.AsyncClient(), patience=0.0)


async def test_what_takes_its_time_by_nature_outlasts_a_short_patience(impatient: Stage) -> None:
    looks = iter([False, False, True])
    await impatient.until(lambda: next(looks), "the third look", at_least=60.0)
    assert next(looks, None) is None


async def test_the_error_names_the_time_that_was_waited(impatient: Stage) -> None:
    with pytest.raises(NotSeenError, match=r"a wonder: not seen within 0\.03 s; shop-1"):
        await impatient.until(lambda: False, "a wonder", at_least=0.03)
    with pytest.raises(NotSeenError, match="a wonder: not seen within 0 s; shop-1"):
        await impatient.until(lambda: False, "a wonder")


async def test_all_answer_only_when_the_last_shop_does(impatient: Stage) -> None:
    for shop in impatient.shops:
        assert not impatient.all_answer()
        shop.sync = "isolated"
    assert impatient.all_answer()
