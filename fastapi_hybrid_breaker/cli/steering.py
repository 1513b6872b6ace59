"""Does what an operator asks for: the commands, script and answers are those of an instance.

Yet it is none. It sends no heartbeat, for one more instance that lives would change what a
quorum asks for, and who may probe without asking; and it adopts nothing, for that needs the
configuration of circuits, which only the services have.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker.core.versions import horizon_at
from fastapi_hybrid_breaker.fleet.answers import parse_reply
from fastapi_hybrid_breaker.fleet.commands import Commands
from fastapi_hybrid_breaker.fleet.connection import is_wrong_type
from fastapi_hybrid_breaker.fleet.index import Index
from fastapi_hybrid_breaker.fleet.values import MalformedError
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

from .errors import CommandError, Exit
from .reading import UNCUT
from .words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker.core.override import OverrideView
    from fastapi_hybrid_breaker.fleet.names import Names

    from .link import Link


class Hand:
    """An operator's actions on circuits.

    Args:
        link: the way to Redis.
        names: the names in Redis.
        newest: the highest version that is known: what is ordered comes after it.
    """

    def __init__(self, link: Link, names: Names, *, newest: int) -> None:
        self._link = link
        self._names = names
        self._commands = Commands(names, secrets.token_hex(8), lambda: newest)

    async def reset(self, key: str, *, by: str, reason: str = "", ramp: bool = False) -> None:
        """Close a circuit in the whole fleet; ``ramp``: calls come back in shares.

        Raises:
            CommandError: there is something else under its name.
        """
        command = self._commands.reset(key, self._operation(), by=by, reason=reason, ramp=ramp)
        with _refused_unless_readable(key):
            reply = parse_reply(await self._order(key, command))
        await self._list(key, reply.version, reply.server_time)

    async def override(
        self, key: str, view: OverrideView | None, *, by: str = "", reason: str = ""
    ) -> None:
        """Set or clear (None: ``by`` and ``reason`` say who and why) an override in the fleet.

        Raises:
            CommandError: there is something else under its name.
        """
        command = self._commands.override(
            "override", key, self._operation(), view, by=by, reason=reason
        )
        with _refused_unless_readable(key):
            reply = parse_reply(await self._order(key, command))
            kind = None if reply.override is None else reply.override.kind
            if reply.override is None or kind is not (None if view is None else view.kind):
                raise MalformedError("another override")
        await self._link.ask([self._commands.overridden([key], wanted=view is not None)])

    async def _order(self, key: str, command: tuple[Any, ...]) -> Any:
        """Run the script on it; return its answer."""
        (answer,) = await self._link.ask([command])
        if is_wrong_type(answer):
            raise CommandError(
                Exit.REFUSED,
                f"not done: {shown(self._names.hash(key))} in Redis, or what stands beside it,"
                " is something of another type than a circuit",
            )
        return answer

    async def _list(self, key: str, version: int, server_now: float) -> None:
        """Note a circuit's version in the index, so that who starts later finds it."""
        index = Index(
            self._names.index,
            UNCUT,
            ThrottledLog(time.monotonic, "dropped from Redis: "),
            lambda _key, _version: None,
            lambda: horizon_at(server_now),
        )
        index.note(key, version)
        await self._link.ask([request.command for request in index.due("index", "", 0.0)])

    def _operation(self) -> str:
        return self._commands.new_operation()


@contextlib.contextmanager
def _refused_unless_readable(key: str) -> Iterator[None]:
    """Raise unless the instances can read what the script has written: else nobody obeys it."""
    try:
        yield
    except MalformedError as error:
        raise CommandError(
            Exit.REFUSED,
            f"not done: the instances cannot read what now stands in Redis for {shown(key)}"
            f" ({error})",
        ) from None
