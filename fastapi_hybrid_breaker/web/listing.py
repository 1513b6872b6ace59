"""A page of the circuits of a process, made some at a time."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import anyio
from anyio.lowlevel import RunVar

from fastapi_hybrid_breaker.core.states import READY_TO_PROBE, CircuitView

from .models import CircuitInfo, ConfigInfo, SyncInfo
from .turns import in_turns

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.breaker import Breaker
    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.core.config import CircuitConfig

ShownState = Literal["CLOSED", "OPEN", "HALF_OPEN", "ready_to_probe"]

MOST: Final = 1_000
"""Circuits on a page, at most."""

USUAL: Final = 500

LONGEST_TEXT: Final = 200
"""Characters of a text that is looked for, at most."""


def as_digits(value: object) -> object:
    """Return a text that is a whole number in ASCII digits; ``int`` takes ``1_0`` and ``+5`` too.

    What is no text is the default, which older releases of FastAPI validate as well.

    Raises:
        ValueError: it is another text.
    """
    if isinstance(value, str) and not re.fullmatch("0|-?[1-9][0-9]*", value):
        raise ValueError("write a whole number in digits, such as 500")
    return value


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which circuits, and which of them on this page.

    Args:
        state: those in this state, None: in any.
        text: those whose key has each of its words, in letters of either case.
        after: the page begins after this key, which need not exist any more; "": with the first.
        limit: circuits on the page, at most.
    """

    state: ShownState | None
    text: str
    after: str
    limit: int


class Listing:
    """Makes pages, one after the other.

    However many are asked for at once, one piece of one of them is made in a turn of the loop.

    Args:
        breaker: whose circuits.
    """

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        # A lock belongs to the event loop, of whichever kind, on which it was waited for.
        self._turn: RunVar[anyio.Lock] = RunVar(f"turn {id(self)}")

    async def page(self, wanted: Wanted) -> bytes:
        """Return a page as JSON, see ``CircuitList``."""
        turn = self._turn.get(None)
        if turn is None:
            turn = anyio.Lock()
            self._turn.set(turn)
        async with turn:
            return await self._page(wanted)

    async def _page(self, wanted: Wanted) -> bytes:
        registry = self._breaker._registry
        page = Page(self._breaker, wanted)
        overridden = (key for key, _ in registry.held.overrides())
        keys = sorted({*registry.declared, *(circuit.key for circuit in registry), *overridden})
        async for key in in_turns(keys):
            page.look_at(key)
        return page.json()


class Page:
    """One page, as far as the circuits have been looked at."""

    def __init__(self, breaker: Breaker, wanted: Wanted) -> None:
        self._breaker = breaker
        self._wanted = wanted
        self._words = wanted.text.casefold().split()
        self._rows: list[bytes] = []
        self._configs: dict[int, tuple[CircuitConfig, ConfigInfo]] = {}  # by identity
        self._last = ""
        self._has_more = False
        self._total = 0

    def look_at(self, key: str) -> None:
        """Look at the next circuit in the order of keys."""
        folded = key.casefold()
        if not all(word in folded for word in self._words):
            return
        registry = self._breaker._registry
        circuit = registry.get(key)
        if circuit is not None:
            config = circuit.config
        elif key in registry.declared or key in registry.held:
            config = registry.config_for(key)
        else:
            return  # it was evicted, or its override has ended
        if not self._is_wanted(key, circuit):
            return
        self._total += 1
        if key <= self._wanted.after:
            return
        if len(self._rows) == self._wanted.limit:
            self._has_more = True
            return
        stats = self._breaker.stats(key) if circuit is None else circuit.stats()
        info = CircuitInfo.of(CircuitView(key, config, stats), self._info_of(config))
        self._rows.append(info.model_dump_json().encode())
        self._last = key

    def _is_wanted(self, key: str, circuit: Circuit | None) -> bool:
        """Whether a circuit, None: one that nothing has called, is in the state that is wanted."""
        state = self._wanted.state
        if state is None:
            return True
        if circuit is None:
            return self._breaker.state(key) == state
        # One that is ready to probe is OPEN as well.
        return circuit.is_ready_to_probe() if state == READY_TO_PROBE else circuit.state == state

    def json(self) -> bytes:
        """Return the page, see ``CircuitList``."""
        rest = {
            "next": self._last if self._has_more else None,
            "total": self._total,
            "sync": SyncInfo.model_validate(self._breaker.sync_status()).model_dump(mode="json"),
        }
        return b'{"circuits":[%s],%s' % (b",".join(self._rows), json.dumps(rest)[1:].encode())

    def _info_of(self, config: CircuitConfig) -> ConfigInfo:
        _, info = self._configs.get(id(config)) or (config, ConfigInfo.of(config))
        self._configs[id(config)] = (config, info)
        return info
