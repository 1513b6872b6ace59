"""The commands."""

# No "from __future__ import annotations" here: typer reads the annotations at run time.

import asyncio
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from fastapi_hybrid_breaker.core.override import OverrideKind, OverrideView

from .errors import CommandError, Exit
from .link import Link
from .options import (
    By,
    For,
    Json,
    Key,
    Namespace,
    Place,
    Ramp,
    Reason,
    RedisUrl,
    Timeout,
    UntilCleared,
    checked_key,
    checked_text,
    seconds_of,
    who,
)
from .picture import Picture
from .reading import Reader
from .steering import Hand
from .tables import details, override_left, overview
from .watch import watch as draw_on
from .words import shown

TIMEOUT = 3.0
"""Seconds: as long as a hung server may go unnoticed elsewhere."""

PIPE_WIDTH = 250
"""Columns where there is no terminal: lines are for other programs, and not to be broken."""

LEAST_WIDTH = 20
USUAL_WIDTH = 80
"""Columns: of a terminal that says it has fewer than the least (0, if it does not know) the
usual is taken."""

T = TypeVar("T")


class _Group(TyperGroup):
    """Ends by the exit code and the message of a ``CommandError``."""

    def invoke(self, ctx: Any) -> Any:
        # What the formats' readers would log is shown as figures; nothing may spoil a drawing.
        logging.getLogger("fastapi_hybrid_breaker").addHandler(logging.NullHandler())
        try:
            return super().invoke(ctx)
        except CommandError as error:
            _end(error)
        except BrokenPipeError:
            raise  # the reader has enough, which Typer knows what to do about
        except OSError as error:  # those of Redis are a CommandError
            text = f"the output cannot be written: {error.strerror or error}"
            _end(CommandError(Exit.REFUSED, text))


def _end(error: CommandError) -> NoReturn:
    console = Console(stderr=True, highlight=False)
    console.print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
    raise typer.Exit(error.code) from None


app: typer.Typer = typer.Typer(
    cls=_Group,
    help="Inspects and controls the circuits of a fleet over Redis: also when no service answers."
    " Exit codes: 0 done, 1 not found or refused, 2 usage, 3 Redis does not answer or refuses.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would show local variables, a URL among them
)


@app.command()
def status(
    redis: RedisUrl = "",
    namespace: Namespace = "circuit",
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every second.")] = False,
    scan: Annotated[
        bool,
        typer.Option(
            "--scan",
            help="Look also for circuits that are not listed: only services that use the basic"
            " format have reported them. Goes through all keys of the server.",
        ),
    ] = False,
    as_json: Json = False,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Show all circuits that ever changed, the worst first, and the instances."""
    place = Place.of(redis, namespace, timeout)

    def emit(picture: Picture) -> None:
        if as_json:
            _print_json(place, picture.as_json(), one_line=watch)
        else:
            _console().print(overview(picture, title=str(place)))

    if watch:
        console = Console(force_terminal=False) if as_json else _console()
        draw_on(place, console, scan=scan, emit=emit)
    else:
        emit(_run(place, lambda link: Reader(link, place.names).look(scan=scan)))


@app.command()
def show(
    key: Key,
    redis: RedisUrl = "",
    namespace: Namespace = "circuit",
    as_json: Json = False,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Show one circuit: its state, why, its override, and which instances opened it alone."""
    place, key = Place.of(redis, namespace, timeout), checked_key(key)
    picture = _run(place, lambda link: Reader(link, place.names).look_at(key))
    if not picture.rows[0].is_known:
        raise _not_found(place, key)
    if as_json:
        _print_json(place, _one(picture))
    else:
        _console().print(details(picture))


@app.command()
def reset(
    key: Key,
    reason: Reason = "",
    by: By = "",
    ramp: Ramp = False,
    redis: RedisUrl = "",
    namespace: Namespace = "circuit",
    as_json: Json = False,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Close a circuit and clear its counters on all instances. A manual override stays."""
    name, why = who(by), checked_text("--reason", reason, least=0)

    def check(before: Picture, place: Place) -> None:
        if not before.rows[0].is_known:
            raise _not_found(place, key)

    async def act(hand: Hand) -> None:
        await hand.reset(key, by=name, reason=why, ramp=ramp)

    _steer("reset", key, Place.of(redis, namespace, timeout), check, act, as_json=as_json)


def _add_override_command(name: str, kind: OverrideKind, said: str) -> None:
    @app.command(name=name, help=said)
    def put(
        key: Key,
        reason: Reason = "",
        how_long: For = "",
        until_cleared: UntilCleared = False,
        by: By = "",
        redis: RedisUrl = "",
        namespace: Namespace = "circuit",
        as_json: Json = False,
        timeout: Timeout = TIMEOUT,
    ) -> None:
        view = _view(kind, by, reason, how_long, until_cleared=until_cleared)
        _override(name, key, Place.of(redis, namespace, timeout), view, as_json=as_json)


_add_override_command(
    "open", OverrideKind.FORCED_OPEN, "Force a circuit open on all instances: reject every call."
)
_add_override_command(
    "disable",
    OverrideKind.DISABLED,
    "Disable a circuit on all instances: admit every call and count none.",
)
_add_override_command(
    "shadow",
    OverrideKind.SHADOW,
    "Put a circuit into shadow mode on all instances: reject nothing, and record what would have"
    " been rejected.",
)
_add_override_command(
    "enforce",
    OverrideKind.ENFORCED,
    "Have a circuit reject calls on all instances, although it is configured for shadow mode.",
)


@app.command()
def clear(
    key: Key,
    reason: Reason = "",
    by: By = "",
    redis: RedisUrl = "",
    namespace: Namespace = "circuit",
    as_json: Json = False,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Remove the override set by 'open', 'disable', 'shadow' or 'enforce'."""
    name, why = who(by), checked_text("--reason", reason, least=0)

    def check(before: Picture, place: Place) -> None:
        if before.rows[0].override is None and not before.rows[0].problem:
            raise CommandError(Exit.REFUSED, f"circuit {shown(key)} has no override ({place})")

    async def act(hand: Hand) -> None:
        await hand.override(key, None, by=name, reason=why)

    _steer("clear", key, Place.of(redis, namespace, timeout), check, act, as_json=as_json)


def _view(
    kind: OverrideKind, by: str, reason: str, how_long: str, *, until_cleared: bool
) -> OverrideView:
    return OverrideView(
        kind,
        who(by),
        checked_text("--reason", reason),
        seconds_of(how_long, until_cleared=until_cleared),
    )


def _override(action: str, key: str, place: Place, view: OverrideView, *, as_json: bool) -> None:
    async def act(hand: Hand) -> None:
        await hand.override(key, view)

    _steer(action, key, place, lambda _before, _place: None, act, as_json=as_json)


def _steer(
    action: str,
    key: str,
    place: Place,
    check: Callable[[Picture, Place], None],
    act: Callable[[Hand], Coroutine[Any, Any, None]],
    *,
    as_json: bool,
) -> None:
    """Look at a circuit, do something to it if ``check`` does not object, and show it again."""
    checked_key(key)
    is_sent = False

    async def work(link: Link) -> tuple[Picture, Picture]:
        nonlocal is_sent
        reader = Reader(link, place.names)
        # Asked first: a server that hangs must not get the command, to run it when it wakes up.
        before = await reader.look_at(key)
        check(before, place)
        is_sent = True
        await act(Hand(link, place.names, newest=before.newest))
        return before, await reader.look_at(key)

    try:
        before, after = _run(place, work)
    except CommandError as error:
        if is_sent and error.code is Exit.NO_REDIS:
            raise CommandError(
                error.code,
                f"{error}, after the command was sent: it may be in force or not. To send it again"
                " does no harm.",
            ) from None
        raise
    was_known = before.rows[0].is_known
    if as_json:
        _print_json(place, {"action": action, "known": was_known} | _one(after))
        return
    console = _console()
    console.print(Text(f"done: {action} {shown(key)} ({place})", "bold green"))
    if not was_known:
        console.print(Text("note: nothing was known of this circuit. Is the name right?", "yellow"))
    if action == "reset" and (left := override_left(after.rows[0])):
        console.print(Text(left, "bold yellow"))
    console.print(details(after))


def _one(picture: Picture) -> dict[str, Any]:
    said = picture.as_json()
    (circuit,) = said.pop("circuits")
    return {"at": said["at"], "circuit": circuit, "instances": said["instances"]}


def _not_found(place: Place, key: str) -> CommandError:
    return CommandError(
        Exit.REFUSED,
        f"circuit {shown(key)} is not known ({place}): it never changed its state, was closed long"
        " ago, or has another name",
    )


def _run(place: Place, work: Callable[[Link], Coroutine[Any, Any, T]]) -> T:
    async def on_a_link() -> T:
        async with Link(place.source, place.timeout) as link:
            return await link.work(work(link))

    return asyncio.run(on_a_link())


def _print_json(place: Place, said: dict[str, Any], *, one_line: bool = False) -> None:
    said = {"namespace": place.namespace, "redis": str(place.source)} | said
    # In ASCII, so that no key and no text of a stranger steers the terminal.
    typer.echo(json.dumps(said, indent=None if one_line else 2))


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    elif console.width < LEAST_WIDTH:
        console.width = USUAL_WIDTH
    return console


def run() -> None:
    """Run the command of the command line."""
    # A terminal that cannot show a letter gets another one instead of a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()
