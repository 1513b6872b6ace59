"""Which peers there are, and those that are installed and work."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .adapter import Adapter

PEERS: Final[dict[str, str]] = {
    "circuitbreaker": "circuitbreaker",
    "aiocircuitbreaker": "aiocircuitbreaker",
    "hyx": "hyx",
    "lasier": "lasier",
    "nopanic": "nopanic",
    "aiobreaker": "aiobreaker",
    "fastapi-cb": "fastapi_cb",
    "pybreaker": "pybreaker",
    "purgatory": "purgatory",
    "asyncbreaker": "asyncbreaker",
    "aiobreaker-redis": "aiobreaker_redis",
    "aioresilience": "aioresilience",
    "pyresilience": "pyresilience",
    "circuit-breaker-box": "circuit_breaker_box",
    "interlock-cb": "interlock",
    "fluxgate": "fluxgate",
    "c-breaker": "c_breaker",
    "nopanic-redis": "nopanic_redis",
}
"""Names on PyPI, and the modules of this package that adapt them."""


@dataclass(frozen=True)
class Loaded:
    """The peers that can be measured, and why others can not."""

    adapters: tuple[Adapter, ...]
    left_out: dict[str, str] = field(default_factory=dict)


def load(names: Iterable[str] = tuple(PEERS)) -> Loaded:
    """Import peers; one that is missing or broken is left out, with the reason."""
    adapters: list[Adapter] = []
    left_out: dict[str, str] = {}
    for name in names:
        module = PEERS.get(name, "")
        if not module:
            continue
        try:
            version(name)
            adapters.append(importlib.import_module(f"{__package__}.{module}").Peer())
        except PackageNotFoundError:
            left_out[name] = "is not installed"
        except Exception as error:  # noqa: BLE001 - whatever a stranger's module raises
            left_out[name] = f"{type(error).__name__}: {error}"
    return Loaded(tuple(adapters), left_out)
