"""How long a test waits for what is bound to come."""

from typing import Final

PATIENCE: Final = 90.0
"""Seconds for anything to come true, however busy the machine; only who fails waits so long.

A test that hangs in another way is ended by pytest (``timeout`` in ``pyproject.toml``).
"""
