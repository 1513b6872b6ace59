"""What the figures depend on; nothing that names the machine."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_OURS = ("fastapi-hybrid-breaker", "fastapi", "starlette", "uvicorn", "httpx", "httpx2", "redis")


def describe(peers: Iterable[str] = ()) -> dict[str, Any]:
    """Return processor, cores, load, Python and the versions of all that is measured."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": [round(one, 2) for one in os.getloadavg()],
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "libraries": versions((*_OURS, *peers)),
    }


def processor() -> str:
    """Name the processor's model, where the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    by_name = {name.strip(): value.strip() for name, value in fields.items()}
    family, model = by_name.get("cpu family", "?"), by_name.get("model", "?")
    return f"{by_name.get('model name', 'unknown')} (family {family}, model {model})"


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
