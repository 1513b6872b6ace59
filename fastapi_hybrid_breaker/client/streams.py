"""Watching a byte stream of httpx or httpx2 to its end, whichever way it ends.

The two libraries have the same interfaces and different classes, and each checks that a stream
is an instance of its own. So the watching stream is built per family, from the bases found on
the stream that it stands in for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_FAMILY_BASES = frozenset({"SyncByteStream", "AsyncByteStream"})


class Watcher(Protocol):
    """Who follows how a stream goes. More may follow, such as closing: the first thing counts."""

    timed: bool
    """Whether it is notified when chunks are waited for."""

    def waits(self) -> None:
        """Record that the next chunk is waited for."""

    def came(self) -> None:
        """Record that a chunk has come."""

    def ended(self) -> None:
        """Record that the stream was read to its end."""

    def left(self) -> None:
        """Record that the stream was closed, or its iterator dropped."""

    def failed(self, error: BaseException) -> None:
        """Record that reading raised ``error``."""


class _Watched:
    __slots__ = ("_stream", "_watcher")

    def __init__(self, stream: Any, watcher: Watcher) -> None:
        self._stream = stream
        self._watcher = watcher


class _SyncHalf(_Watched):
    __slots__ = ()

    def __iter__(self) -> Iterator[bytes]:
        watcher = self._watcher
        timed = watcher.timed
        try:
            if timed:
                watcher.waits()
            for chunk in self._stream:
                if timed:
                    watcher.came()
                yield chunk
                if timed:
                    watcher.waits()
        except GeneratorExit:
            watcher.left()
            raise
        except BaseException as error:
            watcher.failed(error)
            raise
        watcher.ended()

    def close(self) -> None:
        # Notified before closing, which can fail or be cancelled.
        self._watcher.left()
        self._stream.close()


class _AskedOnce:
    """Lets "async for" read an iterator that need not be one that can be asked for itself."""

    __slots__ = ("_iterator",)

    def __init__(self, iterator: Any) -> None:
        self._iterator = iterator

    def __aiter__(self) -> AsyncIterator[bytes]:
        iterator: AsyncIterator[bytes] = self._iterator
        return iterator


class _AsyncHalf(_Watched):
    __slots__ = ()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        watcher = self._watcher
        timed = watcher.timed
        chunks = None
        try:
            chunks = self._stream.__aiter__()
            if timed:
                watcher.waits()
            async for chunk in _AskedOnce(chunks):
                if timed:
                    watcher.came()
                yield chunk
                if timed:
                    watcher.waits()
        except BaseException as error:
            if isinstance(error, GeneratorExit):
                watcher.left()
            else:
                watcher.failed(error)
            # Left to the garbage collector, an async generator would be closed in a task of its
            # own, at some later time.
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
            raise
        watcher.ended()

    async def aclose(self) -> None:
        self._watcher.left()
        await self._stream.aclose()


def watched(stream: Any, watcher: Watcher) -> Any:
    """Return a stream that reads and closes ``stream`` and notifies ``watcher`` how that goes.

    It is sync, async or both, and of the library, that ``stream`` is.
    """
    kind = _class_for(type(stream))  # type: ignore[arg-type] # classes can be hashed
    return kind(stream, watcher)


@lru_cache(maxsize=64)
def _class_for(kind: type) -> type[Any]:
    halves = (("__iter__", _SyncHalf), ("__aiter__", _AsyncHalf))
    bases = [half for method, half in halves if hasattr(kind, method)]
    return type(
        "WatchedStream", (*bases, *family_bases(kind, _FAMILY_BASES)), {"__module__": __name__}
    )


def family_bases(kind: type, names: frozenset[str]) -> list[type]:
    """Return the base classes of ``kind`` that are called one of ``names``."""
    return [base for base in kind.__mro__ if base.__name__ in names]
