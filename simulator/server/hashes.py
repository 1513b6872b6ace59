"""Commands on hashes and on sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .data import Data, Hash, Members
from .numbers import read_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .table import Command


def _hset(data: Data, key: str, *pairs: str) -> int:
    found = data.make(key, Hash)
    before = len(found)
    found.update(zip(pairs[::2], pairs[1::2], strict=True))
    return len(found) - before


def _hsetnx(data: Data, key: str, field: str, value: str) -> int:
    found = data.make(key, Hash)
    if field in found:
        return 0
    found[field] = value
    return 1


def _hincrby(data: Data, key: str, field: str, by: str) -> int:
    step = read_integer(by)
    found = data.find(key, Hash) or Hash()
    value = read_integer(found.get(field, "0"), "ERR hash value is not an integer") + step
    data.make(key, Hash)[field] = str(value)
    return value


def _hget(data: Data, key: str, field: str) -> str | None:
    return (data.find(key, Hash) or Hash()).get(field)


def _hmget(data: Data, key: str, *fields: str) -> list[str | None]:
    found = data.find(key, Hash) or Hash()
    return [found.get(field) for field in fields]


def _hgetall(data: Data, key: str) -> list[str]:
    found = data.find(key, Hash) or Hash()
    return [part for pair in found.items() for part in pair]


def _hkeys(data: Data, key: str) -> list[str]:
    return list(data.find(key, Hash) or Hash())


def _hvals(data: Data, key: str) -> list[str]:
    return list((data.find(key, Hash) or Hash()).values())


def _hlen(data: Data, key: str) -> int:
    return len(data.find(key, Hash) or Hash())


def _hexists(data: Data, key: str, field: str) -> int:
    return int(field in (data.find(key, Hash) or Hash()))


def _hdel(data: Data, key: str, *fields: str) -> int:
    found = data.find(key, Hash)
    if found is None:
        return 0
    gone = [found.pop(field) for field in dict.fromkeys(fields) if field in found]
    data.tidy(key)
    return len(gone)


def _sadd(data: Data, key: str, *members: str) -> int:
    found = data.make(key, Members)
    before = len(found)
    found.update(dict.fromkeys(members))
    return len(found) - before


def _srem(data: Data, key: str, *members: str) -> int:
    found = data.find(key, Members)
    if found is None:
        return 0
    gone = [found.pop(member) for member in dict.fromkeys(members) if member in found]
    data.tidy(key)
    return len(gone)


def _smembers(data: Data, key: str) -> list[str]:
    return sorted(data.find(key, Members) or Members())


def _sismember(data: Data, key: str, member: str) -> int:
    return int(member in (data.find(key, Members) or Members()))


def _scard(data: Data, key: str) -> int:
    return len(data.find(key, Members) or Members())


HASHES: Mapping[str, Command] = {
    "HSET": _hset,
    "HSETNX": _hsetnx,
    "HINCRBY": _hincrby,
    "HGET": _hget,
    "HMGET": _hmget,
    "HGETALL": _hgetall,
    "HKEYS": _hkeys,
    "HVALS": _hvals,
    "HLEN": _hlen,
    "HEXISTS": _hexists,
    "HDEL": _hdel,
    "SADD": _sadd,
    "SREM": _srem,
    "SMEMBERS": _smembers,
    "SISMEMBER": _sismember,
    "SCARD": _scard,
}
