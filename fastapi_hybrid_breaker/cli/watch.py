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

_LEAST: Final = 5
_AROUND: Final = 12
"""Lines that are not circuits: headings, frames, instances."""


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
    around = _AROUND + min(len(picture.instances), 10)
    shown = overview(picture, title=str(place), most=max(_LEAST, console.height - around))
    if not lost:
        return shown
    at = time.strftime("%H:%M:%S", time.localtime(picture.now))
    return Group(Text(f"{lost}; this is what it was at {at}", "bold red"), shown)
