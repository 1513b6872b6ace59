"""Commands on strings, and on keys of every type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .data import Data, Hash, Members, RefusedError, SortedSet, Status
from .numbers import read_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .table import Command

_OK = Status("OK")
_TYPES: Mapping[type, str] = {str: "string", Hash: "hash", Members: "set", SortedSet: "zset"}


def _get(data: Data, key: str) -> str | None:
    return data.find_text(key)


def _set(data: Data, key: str, value: str, *options: str) -> Status | None:
    rest, ends = list(options), None
    exists, keeps = data.exists(key), False
    while rest:
        name = rest.pop(0).upper()
        if name in {"EX", "PX"} and rest:
            ends = data.milliseconds() + _span(rest.pop(0), "set") * (1000 if name == "EX" else 1)
        elif name in {"NX", "XX"}:
            if exists is (name == "NX"):
                return None
        elif name == "KEEPTTL":
            keeps = True
        else:
            raise RefusedError("ERR syntax error")
    if not keeps:
        data.delete(key)
    data.put_text(key, value)
    if ends is not None:
        data.ends[key] = ends
    return _OK


def _span(text: str, command: str) -> int:
    span = read_integer(text)
    if span <= 0:
        raise RefusedError(f"ERR invalid expire time in '{command}' command")
    return span


def _incrby(data: Data, key: str, by: str) -> int:
    step = read_integer(by)
    value = read_integer(data.find_text(key) or "0") + step
    data.put_text(key, str(value))
    return value


def _incr(data: Data, key: str) -> int:
    return _incrby(data, key, "1")


def _del(data: Data, *keys: str) -> int:
    gone = [key for key in dict.fromkeys(keys) if data.exists(key)]
    for key in gone:
        data.delete(key)
    return len(gone)


def _exists(data: Data, *keys: str) -> int:
    return sum(data.exists(key) for key in keys)


def _type(data: Data, key: str) -> Status:
    return Status(_TYPES[type(data.value(key))] if data.exists(key) else "none")


def _pttl(data: Data, key: str) -> int:
    if not data.exists(key):
        return -2
    return max(0, data.ends[key] - data.milliseconds()) if key in data.ends else -1


def _ttl(data: Data, key: str) -> int:
    left = _pttl(data, key)
    return left if left < 0 else (left + 500) // 1000


def _pexpireat(data: Data, key: str, milliseconds: str) -> int:
    return _end(data, key, read_integer(milliseconds))


def _expireat(data: Data, key: str, seconds: str) -> int:
    return _end(data, key, read_integer(seconds) * 1000)


def _pexpire(data: Data, key: str, milliseconds: str) -> int:
    return _end(data, key, data.milliseconds() + read_integer(milliseconds))


def _expire(data: Data, key: str, seconds: str) -> int:
    return _end(data, key, data.milliseconds() + read_integer(seconds) * 1000)


def _end(data: Data, key: str, ends: int) -> int:
    if not data.exists(key):
        return 0
    if ends <= data.milliseconds():
        data.delete(key)
    else:
        data.ends[key] = ends
    return 1


def _persist(data: Data, key: str) -> int:
    return 0 if not data.exists(key) else int(data.ends.pop(key, None) is not None)


STRINGS: Mapping[str, Command] = {
    "GET": _get,
    "SET": _set,
    "INCR": _incr,
    "INCRBY": _incrby,
    "DEL": _del,
    "UNLINK": _del,
    "EXISTS": _exists,
    "TYPE": _type,
    "TTL": _ttl,
    "PTTL": _pttl,
    "EXPIRE": _expire,
    "PEXPIRE": _pexpire,
    "EXPIREAT": _expireat,
    "PEXPIREAT": _pexpireat,
    "PERSIST": _persist,
}
