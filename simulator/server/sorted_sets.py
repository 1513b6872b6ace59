"""Commands on sorted sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .data import Data, RefusedError, SortedSet
from .numbers import read_integer, read_score, write_score

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .table import Command

_SYNTAX = "ERR syntax error"
_ADD_OPTIONS = frozenset({"NX", "XX", "GT", "LT", "CH"})


def _find(data: Data, key: str) -> SortedSet:
    return data.find(key, SortedSet) or SortedSet()


def _zadd(data: Data, key: str, *arguments: str) -> int:
    rest = list(arguments)
    options: set[str] = set()
    while rest and rest[0].upper() in _ADD_OPTIONS:
        options.add(rest.pop(0).upper())
    if not rest or len(rest) % 2:
        raise RefusedError(_SYNTAX)
    if {"NX", "XX"} <= options or len(options & {"NX", "GT", "LT"}) > 1:
        raise RefusedError("ERR GT, LT, and/or NX options at the same time are not compatible")
    pairs = [
        (member, read_score(score)) for score, member in zip(rest[::2], rest[1::2], strict=True)
    ]
    if "XX" in options and not data.exists(key):
        return 0
    found = data.make(key, SortedSet)
    added = changed = 0
    for member, score in pairs:
        old = found.get(member)
        if old is None:
            if "XX" not in options:
                found[member] = score
                added += 1
        elif not _is_kept(old, score, options):
            found[member] = score
            changed += old != score
    data.tidy(key)
    return added + changed if "CH" in options else added


def _is_kept(old: float, new: float, options: set[str]) -> bool:
    return "NX" in options or ("GT" in options and new <= old) or ("LT" in options and new >= old)


def _zincrby(data: Data, key: str, by: str, member: str) -> str:
    step = read_score(by)
    found = data.make(key, SortedSet)
    found[member] = found.get(member, 0.0) + step
    return write_score(found[member])


def _zrem(data: Data, key: str, *members: str) -> int:
    return _drop(data, key, [one for one in dict.fromkeys(members) if one in _find(data, key)])


def _zcard(data: Data, key: str) -> int:
    return len(_find(data, key))


def _zscore(data: Data, key: str, member: str) -> str | None:
    score = _find(data, key).get(member)
    return None if score is None else write_score(score)


def _zcount(data: Data, key: str, least: str, most: str) -> int:
    return len(_chosen(_find(data, key), least, most))


def _zrange(data: Data, key: str, first: str, last: str, *arguments: str) -> list[str]:
    options = _options(arguments)
    is_reversed = "REV" in options
    if "BYSCORE" in options:
        least, most = (last, first) if is_reversed else (first, last)
        chosen = _between(_find(data, key), least, most)
        return _written(_limited(chosen[::-1] if is_reversed else chosen, options), options)
    if "LIMIT" in options:
        raise RefusedError(_SYNTAX)
    ranked = _find(data, key).ranked()
    return _written(_ranks(ranked[::-1] if is_reversed else ranked, first, last), options)


def _zrangebyscore(data: Data, key: str, least: str, most: str, *arguments: str) -> list[str]:
    options = _options(arguments)
    return _written(_limited(_between(_find(data, key), least, most), options), options)


def _zrevrangebyscore(data: Data, key: str, most: str, least: str, *arguments: str) -> list[str]:
    options = _options(arguments)
    return _written(_limited(_between(_find(data, key), least, most)[::-1], options), options)


def _zremrangebyscore(data: Data, key: str, least: str, most: str) -> int:
    return _drop(data, key, _chosen(_find(data, key), least, most))


def _zremrangebyrank(data: Data, key: str, first: str, last: str) -> int:
    return _drop(
        data, key, [member for member, _ in _ranks(_find(data, key).ranked(), first, last)]
    )


def _drop(data: Data, key: str, members: Iterable[str]) -> int:
    found, count = data.find(key, SortedSet), 0
    if found is None:
        return 0
    for member in members:
        del found[member]
        count += 1
    data.tidy(key)
    return count


def _ranks(ranked: list[tuple[str, float]], first: str, last: str) -> list[tuple[str, float]]:
    begin, end = read_integer(first), read_integer(last)
    begin = max(0, begin + len(ranked)) if begin < 0 else begin
    end = end + len(ranked) if end < 0 else end
    return ranked[begin : max(0, end + 1)]


def _between(found: SortedSet, least: str, most: str) -> list[tuple[str, float]]:
    return SortedSet(_chosen(found, least, most)).ranked()


def _chosen(found: SortedSet, least: str, most: str) -> dict[str, float]:
    """Choose by score, in no order: putting a large fleet's heartbeats in order takes long."""
    low, is_low_in = _bound(least)
    high, is_high_in = _bound(most)
    return {
        member: score
        for member, score in found.items()
        if low <= score <= high and (is_low_in or score != low) and (is_high_in or score != high)
    }


def _bound(text: str) -> tuple[float, bool]:
    refusal = "ERR min or max is not a float"
    return read_score(text.removeprefix("("), refusal), not text.startswith("(")


def _options(arguments: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Read what may stand behind a range: its name, and for LIMIT the offset and the count."""
    options: dict[str, tuple[int, int]] = {}
    rest = list(arguments)
    while rest:
        name = rest.pop(0).upper()
        if name == "LIMIT" and len(rest) >= 2:
            options[name] = read_integer(rest.pop(0)), read_integer(rest.pop(0))
        elif name in {"WITHSCORES", "BYSCORE", "REV"}:
            options[name] = 0, -1
        else:
            raise RefusedError(_SYNTAX)
    return options


def _limited(
    chosen: list[tuple[str, float]], options: dict[str, tuple[int, int]]
) -> list[tuple[str, float]]:
    offset, count = options.get("LIMIT", (0, -1))
    if offset < 0:
        return []
    return chosen[offset:] if count < 0 else chosen[offset : offset + count]


def _written(chosen: list[tuple[str, float]], options: dict[str, tuple[int, int]]) -> list[str]:
    if "WITHSCORES" not in options:
        return [member for member, _ in chosen]
    return [part for member, score in chosen for part in (member, write_score(score))]


SORTED_SETS: Mapping[str, Command] = {
    "ZADD": _zadd,
    "ZINCRBY": _zincrby,
    "ZREM": _zrem,
    "ZCARD": _zcard,
    "ZSCORE": _zscore,
    "ZCOUNT": _zcount,
    "ZRANGE": _zrange,
    "ZRANGEBYSCORE": _zrangebyscore,
    "ZREVRANGEBYSCORE": _zrevrangebyscore,
    "ZREMRANGEBYSCORE": _zremrangebyscore,
    "ZREMRANGEBYRANK": _zremrangebyrank,
}
