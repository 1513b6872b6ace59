"""Calls, at random moments, of all members of a fleet on all circuits."""

from __future__ import annotations

from contextvars import Context
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .fleet import Fleet
    from .instance import Instance
    from .speaker import Speaker

_NOBODY = Context()


class Traffic:
    """One stream of calls for the whole fleet, shared out by chance.

    To one member this is the same as a stream of its own, and needs one timer instead of
    thousands; where nothing else is due between two calls, none.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        scenario = fleet.scenario
        self._random = Random(f"{scenario.seed}/traffic")
        self._members: list[Instance | Speaker] = [*fleet.instances, *fleet.speakers]
        self._keys = scenario.keys
        self._rate = scenario.rate * len(self._members) * len(self._keys)
        self._duration = scenario.duration
        self.is_on = False
        self.calls = 0

    def start(self) -> None:
        """Begin; at most once."""
        self.is_on = bool(self._rate)
        if self.is_on:
            self._fleet.server.loop.call_soon(self._run, context=_NOBODY)

    def stop(self) -> None:
        """End."""
        self.is_on = False

    def _run(self) -> None:
        loop, random = self._fleet.server.loop, self._random
        while self.is_on:
            at = loop.time() + random.expovariate(self._rate)
            if not loop.jump(at):
                loop.call_at(at, self._next, context=_NOBODY)
                return
            self._call()

    def _next(self) -> None:
        if self.is_on:
            self._call()
            self._run()

    def _call(self) -> None:
        random, members, keys = self._random, self._members, self._keys
        member = members[int(random.random() * len(members))]
        key = keys[int(random.random() * len(keys))]
        if not member.works:
            return
        self.calls += 1
        duration = self._duration
        member.call_soon(key, duration * random.uniform(1, 1.5) if duration else 0.0)
