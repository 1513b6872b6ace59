"""One performance: everything is started, the story is played, everything is ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from .cast import Cast
from .stage import NotSeenError, Stage
from .story import steps
from .traffic import RATES, visit
from .views import KEY, keep_looking

if TYPE_CHECKING:
    from .display import Display

LONGEST = 85.0
"""Seconds that the story may take altogether."""


class StepFailedError(Exception):
    """A step of the story did not happen."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(step, reason)
        self.step = step
        self.reason = reason


class Performance:
    """The story on real processes.

    Parameters:
        display: where it is shown.
        redis_url: a Redis that is there already; None: a Valkey of the demo's own.
        once: end after the story; else the services stay up until cancelled.
        patience: seconds that a step may wait for each thing it promises.
    """

    def __init__(
        self, display: Display, *, redis_url: str | None, once: bool, patience: float
    ) -> None:
        self._display = display
        self._redis_url = redis_url
        self._once = once
        self._patience = patience
        self._step = "the services start"
        self.is_told = False

    async def run(self) -> None:
        """Play the story.

        Raises:
            StepFailedError: it could not be played to its end.
        """
        with Cast(self._redis_url) as cast:
            # Proxies named in the environment know nothing of this machine's loopback.
            async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
                stage = Stage(cast, client, patience=self._patience)
                self._display.show(stage)
                self._display.say(f"Watch it in the console: {_console_of(stage)}")
                with self._display:
                    await self._tell_amid(stage)
                self._display.summarise(stage)
                if not self._once:
                    self._say_goodbye(stage)
                    await asyncio.Event().wait()

    async def _tell_amid(self, stage: Stage) -> None:
        """Play the story amid customers, onlookers and the drawing of it all."""
        story = asyncio.create_task(self._tell(stage))
        around = [
            asyncio.create_task(one)
            for one in (
                self._display.keep_drawing(),
                keep_looking(stage.shops, stage.upstream, stage.client),
                *(_visit_when_open(stage, number) for number in range(len(stage.shops))),
            )
        ]
        tasks = [story, *around]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended = [task for task in tasks if task.done()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in ended:
            task.result()

    async def _tell(self, stage: Stage) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                for name, step in steps(valkey_is_ours=stage.valkey_is_ours):
                    self._step = name
                    self._display.begin(name)
                    self._display.end(name, await step(stage))
        except (NotSeenError, httpx.HTTPError) as error:
            reason = f"{str(error) or repr(error)}{stage.cast.last_words()}"
            raise StepFailedError(self._step, reason) from error
        except TimeoutError as error:
            raise StepFailedError(self._step, f"the story took over {LONGEST:g} s") from error
        if not stage.valkey_is_ours:
            stage.note("Redis killed", "left out: the Redis of REDIS_URL is not the demo's own")
        self.is_told = True

    def _say_goodbye(self, stage: Stage) -> None:
        say = self._display.say
        say("The customers have gone; the services stay up until Ctrl-C:")
        for shop in stage.shops:
            say(f"  {shop.name}    curl -i {shop.url}/stock/apple")
        say(f"  console   {_console_of(stage)}")
        say(f"  circuit   curl {stage.shops[0].url}/circuits/{KEY}   (-X DELETE resets)")
        say(f"  upstream  curl -X POST {stage.upstream.url}/-/break   (or /-/heal)")


def _console_of(stage: Stage) -> str:
    return f"{stage.shops[0].url}/circuits/-/console"


async def _visit_when_open(stage: Stage, number: int) -> None:
    await stage.doors.wait()
    shop = stage.shops[number]
    async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
        await visit(client, shop.url, shop.tally, RATES[shop.name])
