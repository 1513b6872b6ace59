"""The command ``fastapi-hybrid-breaker``: inspects and controls a fleet over Redis."""

from __future__ import annotations

import sys

_NEEDED = ("typer", "rich")


def main() -> None:
    """Run the command; the libraries that it needs are an extra."""
    try:
        from .app import run  # noqa: PLC0415 - its libraries may be missing
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        sys.exit(
            f"fastapi-hybrid-breaker needs {error.name}, which is not installed:"
            " pip install 'fastapi-hybrid-breaker[cli]'"
        )
    run()
