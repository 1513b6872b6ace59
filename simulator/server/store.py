"""The part of a server that keeps data: commands and scripts, and a clock of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, ResponseError

from simulator.process import BEGAN

from .data import Data, Hash, RefusedError, SortedSet
from .lua import Scripts, compiled, digest
from .table import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable


class Store:
    """Keys with times to live, scripts, and a clock.

    Args:
        clock: virtual seconds.
        publish: what becomes of a published message: channel and text in, receivers out.
    """

    def __init__(self, clock: Callable[[], float], publish: Callable[[str, bytes], int]) -> None:
        self._clock = clock
        self._publish = publish
        self.data = Data(self.now)
        self._scripts = Scripts(self._call)
        self._loaded: dict[str, str] = {}
        self.offset = 0.0
        """Seconds by which its clock has been set."""

    def now(self) -> float:
        """Return the server's time, epoch seconds."""
        return BEGAN + self._clock() + self.offset

    def snapshot(self) -> Any:
        """Return a copy of all data, for a replica that falls behind."""
        return self.data.copy()

    def become(self, snapshot: Any | None) -> None:
        """Be the server with these data, or (None) an empty one; scripts are never replicated."""
        self.data.become(snapshot or ({}, {}))
        self._loaded.clear()

    def flush(self) -> None:
        """Forget all data; scripts stay."""
        self.data.become(({}, {}))

    def hash(self, key: str) -> dict[str, str]:
        """Return a hash, for checks; empty where there is none."""
        return dict(self.data.find(key, Hash) or {})

    def scores(self, key: str) -> dict[str, float]:
        """Return a sorted set, for checks; empty where there is none."""
        return dict(self.data.find(key, SortedSet) or {})

    def execute(self, command: tuple[Any, ...]) -> Any:
        """Run one command and give its answer: bytes, numbers, lists; errors are returned.

        Raises:
            NotImplementedError: a command that the simulated server does not know.
        """
        name, *arguments = [*str(command[0]).upper().split(), *map(_text, command[1:])]
        try:
            if name in {"SCRIPT", "EVALSHA", "EVAL"}:
                return _encoded(self._script(name, arguments))
            return _encoded(self._call(name, *arguments))
        except RefusedError as refusal:
            return ResponseError(str(refusal).removeprefix("ERR "))
        except NoScriptError as error:
            return error

    def _script(self, name: str, arguments: list[str]) -> Any:
        if name == "SCRIPT":
            return self._tell_of_scripts(arguments[0].upper(), arguments[1:])
        if name == "EVAL":
            text = arguments[0]
            self._loaded[digest(text)] = text
        elif (known := self._loaded.get(arguments[0].lower())) is not None:
            text = known
        else:
            raise NoScriptError("No matching script. Please use EVAL.")
        count = int(arguments[1])
        return self._scripts.run(text, arguments[2 : 2 + count], arguments[2 + count :])

    def _tell_of_scripts(self, what: str, arguments: list[str]) -> Any:
        if what == "LOAD":
            (text,) = arguments
            compiled(text)
            self._loaded[digest(text)] = text
            return digest(text)
        if what == "EXISTS":
            return [int(one in self._loaded) for one in arguments]
        raise NotImplementedError(f"the simulated server does not know SCRIPT {what}")

    def _call(self, name: str, *arguments: str) -> Any:
        name = name.upper()
        if name == "TIME":
            microseconds = int(self.now() * 1_000_000)
            return [str(microseconds // 1_000_000), str(microseconds % 1_000_000)]
        if name == "PUBLISH":
            channel, message = arguments
            return self._publish(channel, message.encode())
        command = COMMANDS.get(name)
        if command is None:
            raise NotImplementedError(f"the simulated server does not know {name}")
        return command(self.data, *arguments)


def _text(value: Any) -> str:
    """Write an argument as the client library sends it."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _encoded(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_encoded(one) for one in answer]
    return answer.encode() if isinstance(answer, str) else answer
