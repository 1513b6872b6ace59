"""The options that the commands share, and what they are taken to mean."""

# No "from __future__ import annotations" here: typer reads the annotations at run time.

import getpass
import os
import socket
from dataclasses import dataclass
from typing import Annotated, Self

import typer

from fastapi_hybrid_breaker.core.checks import LONGEST_TEXT, check_between, check_text
from fastapi_hybrid_breaker.core.keys import check_key, check_namespace
from fastapi_hybrid_breaker.fleet.connection import Source
from fastapi_hybrid_breaker.fleet.names import Names

from .errors import CommandError, Exit
from .words import harmless, read_duration

REDIS_VARIABLE = "CIRCUIT_REDIS_URL"
LONGEST_TIMEOUT = 60.0

Key = Annotated[str, typer.Argument(help="The circuit's name.", show_default=False)]

RedisUrl = Annotated[
    str,
    typer.Option(
        "--redis",
        envvar=REDIS_VARIABLE,
        metavar="URL",
        show_default=False,
        help="Where the fleet meets. Others see what stands in a command line: where the URL has"
        " a password, set the variable instead.",
    ),
]

Namespace = Annotated[
    str, typer.Option("--namespace", envvar="CIRCUIT_NAMESPACE", help="The fleet's namespace.")
]

Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", help="How long to wait for Redis.")
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="NAME",
        help="Who is making this change. Default: user@host.",
        show_default=False,
    ),
]

Ramp = Annotated[
    bool,
    typer.Option("--ramp", help="Let calls back in growing shares, where ramp_seconds is set."),
]

Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help="What for; all see it.", show_default=False),
]

For = Annotated[
    str,
    typer.Option(
        "--for", metavar="TIME", help="How long: 30s, 10m, 2h, 1d or seconds.", show_default=False
    ),
]

UntilCleared = Annotated[
    bool, typer.Option("--until-cleared", help="Instead of --for: until somebody clears it.")
]


@dataclass(frozen=True, slots=True)
class Place:
    """Which fleet is meant, and how long it may take to answer.

    Args:
        source: where Redis is.
        namespace: the fleet's.
        timeout: seconds.
    """

    source: Source
    namespace: str
    timeout: float

    @classmethod
    def of(cls, redis: str, namespace: str, timeout: float) -> Self:
        """Record the options.

        Raises:
            CommandError: one is missing or out of range.
        """
        if not redis:
            raise CommandError(
                Exit.USAGE, f"which Redis? Give --redis URL, or set {REDIS_VARIABLE}"
            )
        wanted = f"--timeout must be a number of seconds from 0.1 to 60, not {timeout!r}"
        try:
            check_between(timeout, wanted, least=0.1, most=LONGEST_TIMEOUT)
            return cls(Source(redis), check_namespace(namespace), timeout)
        except ValueError as error:
            raise CommandError(Exit.USAGE, harmless(str(error))) from None

    @property
    def names(self) -> Names:
        """The names in Redis."""
        return Names(self.namespace)

    def __str__(self) -> str:
        return f"fleet {self.namespace!r}, Redis at {self.source}"


def checked_key(key: str) -> str:
    """Return ``key`` if it may name a circuit.

    Raises:
        CommandError: it may not.
    """
    try:
        return check_key(key)
    except ValueError as error:
        raise CommandError(Exit.USAGE, harmless(str(error))) from None


def checked_text(option: str, text: str, *, least: int = 1) -> str:
    """Return ``text`` if it is one to be shown to all, of ``least`` characters or more.

    Raises:
        CommandError: it is missing, too long or not printable.
    """
    try:
        return check_text(option, text, least=least)
    except ValueError as error:
        raise CommandError(Exit.USAGE, harmless(str(error))) from None


def who(by: str) -> str:
    """Return who acts, as given by ``--by``, or else as the shell knows it.

    Raises:
        CommandError: a name that is none.
    """
    if by:
        return checked_text("--by", by)
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no name for this number, as in many containers
        user = str(os.getuid()) if hasattr(os, "getuid") else "somebody"
    return harmless(f"{user}@{socket.gethostname()}")[:LONGEST_TEXT]


def seconds_of(how_long: str, *, until_cleared: bool) -> float | None:
    """Return how long an override lasts; None: until it is cleared.

    Raises:
        CommandError: said twice, not at all, or out of range.
    """
    if bool(how_long) is until_cleared:
        said = "both were given" if until_cleared else "none was given"
        raise CommandError(Exit.USAGE, f"one of --for TIME and --until-cleared is needed: {said}")
    if until_cleared:
        return None
    try:
        return read_duration("--for", how_long)
    except ValueError as error:
        raise CommandError(Exit.USAGE, harmless(str(error))) from None
