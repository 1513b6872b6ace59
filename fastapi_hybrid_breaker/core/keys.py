"""Which strings may name a circuit, and which may name a namespace."""

from __future__ import annotations

import re
from typing import Final

LONGEST_KEY = 256
"""Characters; a key becomes part of a Redis key, of a URL and of log lines."""

_OWN_PATHS = "-/"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def check_key(key: object) -> str:
    """Return ``key`` if it may name a circuit.

    Slashes, spaces, colons and letters of any script are welcome. Not so: an empty key, control
    characters, lone surrogates, dot segments (a URL path would lose them), and ``-/``, with
    which the paths of the admin router's own begin.

    Raises:
        TypeError: not a string.
        ValueError: a string that names no circuit.
    """
    key = _plain("a circuit's key", key)
    fault = fault_of(key)
    if fault is not None:
        shown = key if len(key) <= LONGEST_KEY else f"{key[:40]}… ({len(key)} characters)"
        raise ValueError(f"a circuit's key {fault}, not {shown!r}")
    return key


def fault_of(key: str) -> str | None:
    """Return what keeps ``key`` from naming a circuit, without the key itself; None: nothing."""
    if not 1 <= len(key) <= LONGEST_KEY:
        return f"must have 1 to {LONGEST_KEY} characters"
    if _CONTROL.search(key):
        return "must have no control characters"
    if _SURROGATE.search(key):
        return "must be text that UTF-8 can encode"
    if _OWN_PATHS in key:
        return f"must not contain {_OWN_PATHS!r}"
    if any(segment in {".", ".."} for segment in key.split("/")):
        return "must have no '.' or '..' between slashes"
    return None


def is_key(key: object) -> bool:
    """Return whether ``key`` may name a circuit; for input that came over the network."""
    try:
        check_key(key)
    except (TypeError, ValueError):
        return False
    return True


def check_namespace(namespace: object) -> str:
    """Return ``namespace`` if it may stand before the keys in Redis.

    No braces, so that the circuit's key alone decides about the cluster slot, and no ``#``,
    which parts the keys of our own from the circuits.

    Raises:
        TypeError: not a string.
        ValueError: a string with a brace, a ``#``, white space or a control character in it.
    """
    namespace = _plain("namespace", namespace)
    if not 1 <= len(namespace) <= LONGEST_KEY or any(
        char in "{}#" or char.isspace() or not char.isprintable() for char in namespace
    ):
        raise ValueError(
            f"namespace must have 1 to {LONGEST_KEY} printable characters"
            f" without braces, '#' and spaces, not {namespace!r}"
        )
    return namespace


def overlaps_of(namespace: str) -> list[str]:
    """Return what to warn of where a namespace shares its circuits with another one.

    Circuit ``eu:pay`` in ``prod`` and circuit ``pay`` in ``prod:eu`` are one name in Redis.
    """
    if ":" not in namespace:
        return []
    outer, _, inner = namespace.partition(":")
    better = namespace.replace(":", ".")
    overlap = f" overlaps with {outer!r}: its circuit 'x' is circuit '{inner}:x' there"
    note = (
        f"namespace {namespace!r}{overlap if outer else ' contains a colon'}. Use one without ':',"
        f" such as {better!r}; from 1.0 on ':' is an error (docs/fleet.md, section 2: moving)"
    )
    return [note]


def _plain(name: str, value: object) -> str:
    """Return a string as a plain one: a member of a str enum would show its own name in texts."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {value!r}")
    return "".join(value)
