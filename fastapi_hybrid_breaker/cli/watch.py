"""``status --watch``: draws anew every second until it is interrupted."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from .errors import CommandError
from .link import Link
from .reading import Reader
from .tables import overview

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType

    from .options import Place
    from .picture import Picture

EVERY: Final = 1.0
"""Seconds between two drawings."""

_LEAST: Final = 3
"""Circuits that are drawn however low the screen is."""


def watch(place: Place, console: Console, *, scan: bool, emit: Callable[[Picture], None]) -> None:
    """Draw until interrupted; ``emit`` prints a picture where there is no screen to draw on.

    Raises:
        CommandError: Redis does not answer the first time. Later that is shown, and it goes on.
    """
    with asyncio.Runner() as runner:
        link = runner.run(_open(place))
        reader = Reader(link, place.names)
        try:
            picture = runner.run(link.work(reader.look(scan=scan)))
            if not console.is_terminal:
                _print_on(runner, link, reader, picture, scan=scan, emit=emit)
            with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
                lost = ""
                while True:
                    live.update(_draw(place, console, picture, lost), refresh=True)
                    time.sleep(EVERY)
                    try:
                        picture = runner.run(link.work(reader.look(scan=scan)))
                        lost = ""
                    except CommandError as error:
                        lost = str(error)
        except KeyboardInterrupt:
            return
        finally:
            runner.run(link.close())


async def _open(place: Place) -> Link:
    return Link(place.source, place.timeout)


def _print_on(
    runner: asyncio.Runner,
    link: Link,
    reader: Reader,
    picture: Picture,
    *,
    scan: bool,
    emit: Callable[[Picture], None],
) -> None:
    while True:
        emit(picture)
        time.sleep(EVERY)
        picture = runner.run(link.work(reader.look(scan=scan)))


def _draw(place: Place, console: Console, picture: Picture, lost: str) -> RenderableType:
    """Draw as many circuits as find room, the worst first."""
    most = min(console.height, len(picture.rows))
    while True:
        drawing = overview(picture, title=str(place), most=most)
        if lost:
            at = time.strftime("%H:%M:%S", time.localtime(picture.now))
            drawing = Group(Text(f"{lost}; this is what it was at {at}", "bold red"), drawing)
        beyond = len(console.render_lines(drawing, pad=False)) - (console.height - 1)
        if beyond <= 0 or most <= _LEAST:
            return drawing
        most = max(_LEAST, most - -(-beyond // 4))  # few take more than four lines
