"""What readers receive of the circuits of a process: each change at once, figures every second.

Everything runs on the event loop of the readers, some circuits at a time; a change of a circuit
leaves no more behind on its own path than an entry in a queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.states import CircuitView
from fastapi_hybrid_breaker.fleet.heartbeat import library_version
from fastapi_hybrid_breaker.web.models import ChangeInfo, InstanceInfo, SyncInfo
from fastapi_hybrid_breaker.web.turns import AT_ONCE

from .channel import Channel
from .ending import is_server_ending
from .rows import Row, is_quiet, row_of, sign_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fastapi_hybrid_breaker.breaker import Breaker
    from fastapi_hybrid_breaker.core.states import StateChange

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")

EVERY: Final = 1.0
"""Seconds between two looks at the figures."""

INSTANCES_EVERY: Final = 5.0
"""Seconds between two questions for the instances: they send their heartbeats as rarely."""

LINGER: Final = 30.0
"""Seconds for which events are kept when the last reader has gone: most come back."""

_BUSY_SHARE: Final = 10
"""So many times as long as a look takes is the pause after it, at least."""

_MOST_CHANGES: Final = 20_000


class Broadcast:
    """The events of one breaker, on one event loop, as long as somebody reads them.

    Args:
        breaker: whose circuits they are about.
    """

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self.channel: Channel = Channel()
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._changes: deque[StateChange] = deque(maxlen=_MOST_CHANGES)
        self._stirred = asyncio.Event()
        self._is_called = False  # the loop knows that there are changes
        self._rows: dict[str, Row] = {}
        self._signs: dict[str, tuple[int, ...]] = {}
        self._instances: list[dict[str, Any]] = []
        self._sync: dict[str, Any] = {}
        self._undo: Callable[[], None]
        self._task = self.loop.create_task(self._run())

    def snapshot(self) -> Iterator[str]:
        """Return all that is known at this moment as JSON, in pieces that are made when taken."""
        rest = {
            "at": round(time.time(), 3),
            "instance": self._breaker._sync.instance,
            "library": library_version(),
            "instances": self._instances,
            "sync": self._sync,
        }
        return _in_pieces(rest, tuple(self._rows.values()))

    async def _run(self) -> None:
        self._undo = self._breaker.on_change(self._changed)
        try:
            await self._look(send=False)
            self.channel.open()
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._tell_changes()),
                    group.create_task(self._tell_instances()),
                ]
                await self._tell_figures()
                for task in tasks:
                    task.cancel()
        except Exception:
            log.exception("the circuits' events have ended; readers begin anew")
        finally:
            self._undo()
            self.channel.close()
            self._rows.clear()  # this stays until the next reader comes
            self._signs.clear()

    # -- changes ----------------------------------------------------------------------------

    def _changed(self, change: StateChange) -> None:
        """Record a change, in any thread, on the path of a guarded call: note it, no more."""
        if self.loop.is_closed():  # without an end: nobody is left to read
            self._undo()
            return
        self._changes.append(change)
        if not self._is_called:
            self._is_called = True
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self.loop.call_soon_threadsafe(self._stirred.set)

    async def _tell_changes(self) -> None:
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            self._is_called = False
            if len(self._changes) == _MOST_CHANGES:  # some may be lost
                self._changes.clear()
                await self._look(send=False)
                self.channel.begin_anew()
            sent = 0
            while self._changes:
                self._tell_change(self._changes.popleft())
                sent += 1
                if sent % AT_ONCE == 0:
                    self.channel.wake()
                    await asyncio.sleep(0)
            self.channel.wake()

    def _tell_change(self, change: StateChange) -> None:
        circuit = self._breaker._registry.get(change.key)
        if circuit is None:  # evicted since
            return
        now = time.time()
        view = CircuitView(circuit.key, circuit.config, circuit.stats(), circuit.history())
        row = self._rows[change.key] = row_of(view, now)
        said = ChangeInfo.model_validate(change).model_dump_json()
        self.channel.add("circuit", f'{{"at":{now:.3f},"circuit":{row.text},"change":{said}}}')

    # -- figures ----------------------------------------------------------------------------

    async def _tell_figures(self) -> None:
        """Send them what is new until nobody reads any more, or the server ends."""
        due = 0.0
        while self.channel.idle_for() <= LINGER and not is_server_ending():
            await asyncio.sleep(EVERY)  # at most, however long the pause: a server waits for us
            started = time.monotonic()
            if started >= due:
                await self._look()
                ended = time.monotonic()
                due = ended + _BUSY_SHARE * (ended - started)

    async def _look(self, *, send: bool = True) -> None:
        """Look at all circuits, some at a time, and send what differs."""
        rows: list[str] = []
        seen: set[str] = set()
        for number, (key, row) in enumerate(self._look_at_each(), 1):
            seen.add(key)  # or it was evicted meanwhile, and is gone with the next look
            if row is not None and row.differs(self._rows.get(key)):
                self._rows[key] = row
                rows.append(row.text)
            if number % AT_ONCE == 0:
                if send and rows:
                    self._send_rows(rows, [])
                    rows = []
                await asyncio.sleep(0)
        gone = [key for key in self._rows if key not in seen and self._is_gone(key)]
        for key in gone:
            del self._rows[key]
            self._signs.pop(key, None)
        if send and (rows or gone):
            self._send_rows(rows, gone)
        self._look_at_sync(send=send)
        self.channel.wake()

    def _send_rows(self, rows: list[str], gone: list[str]) -> None:
        text = f'{{"at":{time.time():.3f},"circuits":[{",".join(rows)}]'
        self.channel.add("figures", f'{text},"gone":{json.dumps(gone)}}}')

    def _look_at_each(self) -> Iterator[tuple[str, Row | None]]:
        """Return each known and each declared circuit, with its row unless that is as it was."""
        registry = self._breaker._registry
        # Keys and not circuits: those could not be evicted as long as they are held here.
        for key in [circuit.key for circuit in registry]:
            yield key, self._look_at_one(key)
        for key, config in registry.declared.items():
            if registry.get(key) is None:
                yield key, row_of(CircuitView(key, config, self._breaker.stats(key)), time.time())

    def _look_at_one(self, key: str) -> Row | None:
        circuit = self._breaker._registry.get(key)
        if circuit is None:  # evicted since
            return None
        sign = sign_of(circuit) if is_quiet(circuit) else None
        if sign is not None and self._signs.get(key) == sign:
            return None
        if sign is None:
            self._signs.pop(key, None)
        else:
            self._signs[key] = sign
        view = CircuitView(key, circuit.config, circuit.stats(), circuit.history())
        return row_of(view, time.time())

    def _is_gone(self, key: str) -> bool:
        registry = self._breaker._registry
        return registry.get(key) is None and key not in registry.declared

    def _look_at_sync(self, *, send: bool) -> None:
        sync = SyncInfo.model_validate(self._breaker.sync_status()).model_dump(mode="json")
        is_new = any(sync[name] != self._sync.get(name) for name in ("state", "orders"))
        self._sync = sync
        if send and is_new:
            self.channel.add("sync", json.dumps(sync))

    # -- instances --------------------------------------------------------------------------

    async def _tell_instances(self) -> None:
        """Send the fleet's instances; beside the rest, for the answer can take a second."""
        while True:
            found = await self._breaker.instances() or []
            said = [InstanceInfo.model_validate(one).model_dump(mode="json") for one in found]
            if said != self._instances:
                self._instances = said
                now = round(time.time(), 3)
                self.channel.add("instances", json.dumps({"at": now, "instances": said}))
                self.channel.wake()
            await asyncio.sleep(INSTANCES_EVERY)


def _in_pieces(rest: dict[str, Any], rows: Sequence[Row]) -> Iterator[str]:
    """Write the JSON of a snapshot, some circuits at a time."""
    before = f'{json.dumps(rest, separators=(",", ":"))[:-1]},"circuits":['
    for at in range(0, len(rows), AT_ONCE):
        text = ",".join(row.text for row in rows[at : at + AT_ONCE])
        if at + AT_ONCE >= len(rows):
            break
        yield before + text
        before = ","
    else:
        text = ""
    yield f"{before}{text}]}}"
