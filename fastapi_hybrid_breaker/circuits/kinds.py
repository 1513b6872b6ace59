"""The kind of a call: where in a program it is made, for calls of one circuit."""

from __future__ import annotations

import asyncio
import functools

from .context import current_request

Kind = tuple[str, bool, bool]
"""What is called, whether in a request, and whether in an event loop."""


def kind_of(fn: object) -> Kind:
    """Return the kind of a call of ``fn`` that is made here."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    name = getattr(fn, "__qualname__", None) or type(fn).__qualname__
    is_in_loop = asyncio._get_running_loop() is not None  # noqa: SLF001 - see counted.running_in
    return name, current_request() is not None, is_in_loop
