"""Runs scripts as a server does: what they may use, and how values go in and out."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import lupa.lua51

from .data import RefusedError, Status
from .lua_json import NULL, decode, encode
from .numbers import write_score

if TYPE_CHECKING:
    from collections.abc import Callable

_runtime: Final = lupa.lua51.LuaRuntime(unpack_returned_tuples=True)
_table: Final = _runtime.table_from
_kind: Final = lupa.lua51.lua_type

_SANDBOX: Final = """
local allowed = { 'assert', 'error', 'getmetatable', 'ipairs', 'math', 'next', 'pairs', 'pcall',
  'rawequal', 'rawget', 'rawset', 'select', 'setmetatable', 'string', 'table', 'tonumber',
  'tostring', 'type', 'unpack', 'xpcall' }
local globals = {}
for _, name in ipairs(allowed) do globals[name] = _G[name] end
setmetatable(globals, {
  __index = function(_, name)
    error('Script attempted to access nonexistent global variable \\'' .. name .. '\\'', 2) end,
  __newindex = function(_, name)
    error('Attempt to modify a readonly table: ' .. name, 2) end })
return function(text)
  local make, fault = loadstring('return function(KEYS, ARGV, redis, cjson) ' .. text .. '\\nend')
  if not make then error(fault) end
  return setfenv(setfenv(make, globals)(), globals)
end
"""
_REDIS: Final = """
return function(run)
  local redis = {}
  local function answer(...)
    local failed, value = run(...)
    return failed, value
  end
  function redis.pcall(...)
    local failed, value = answer(...)
    if failed then return { err = value } end
    return value
  end
  function redis.call(...)
    local failed, value = answer(...)
    if failed then error({ err = value }) end
    return value
  end
  function redis.error_reply(text) return { err = text } end
  function redis.status_reply(text) return { ok = text } end
  function redis.sha1hex(text) return redis.digest(text) end
  return redis
end
"""
_PROTECT: Final = """
return function(script, KEYS, ARGV, redis, cjson)
  local done, answer = pcall(script, KEYS, ARGV, redis, cjson)
  if done then return true, answer end
  if type(answer) == 'table' and answer.err then return false, answer.err end
  return false, answer
end
"""
_load: Final[Any] = _runtime.execute(_SANDBOX)
_make_redis: Final[Any] = _runtime.execute(_REDIS)
_protect: Final[Any] = _runtime.execute(_PROTECT)


def digest(text: str) -> str:
    """Return the name by which a server knows a script."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@cache
def compiled(text: str) -> Any:
    """Compile a script, once in this process.

    Raises:
        RefusedError: it is no Lua.
    """
    try:
        return _load(text)
    except lupa.lua51.LuaError as error:
        raise RefusedError(f"ERR Error compiling script: {error}") from None


class Scripts:
    """Runs scripts on one server's commands.

    Args:
        call: runs one command; raises RefusedError for what a server would refuse.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self._defect: Exception | None = None
        self._redis = _make_redis(self._run)
        self._redis["digest"] = digest
        self._cjson = _table({"decode": self._decode, "encode": encode})
        self._cjson["null"] = NULL

    def run(self, text: str, keys: list[str], arguments: list[str]) -> Any:
        """Run a script and give its answer, converted as by a server.

        Raises:
            RefusedError: the script failed or answered an error.
            Exception: what is wrong with the simulation itself, not to be caught by scripts.
        """
        script = compiled(text)
        self._defect = None
        done, answer = _protect(script, _table(keys), _table(arguments), self._redis, self._cjson)
        if self._defect is not None:
            raise self._defect
        if not done:
            code, _, _ = str(answer).partition(" ")
            raise RefusedError(str(answer) if code.isupper() else f"ERR {answer}")
        return _from_lua(answer)

    def _run(self, name: Any = None, *arguments: Any) -> tuple[bool, Any]:
        try:
            return False, _to_lua(self._call(_argument(name), *map(_argument, arguments)))
        except RefusedError as refusal:
            return True, str(refusal)
        except Exception as error:
            self._defect = error  # a script's pcall must not hide it
            raise

    def _decode(self, text: Any) -> Any:
        return decode(text, _table)


def _argument(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError("ERR Lua redis lib command arguments must be strings or integers")
    return write_score(value)


def _to_lua(answer: Any) -> Any:
    if answer is None:
        return False
    if isinstance(answer, Status):
        return _table({"ok": str(answer)})
    if isinstance(answer, list):
        return _table([_to_lua(one) for one in answer])
    return answer


def _from_lua(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if value is None or value is False or value is NULL:
        return None
    if value is True:
        return 1
    if isinstance(value, int | float):
        return int(value)
    if _kind(value) != "table":
        raise TypeError(f"a script answered a {_kind(value)}")
    if value["err"] is not None:
        raise RefusedError(str(value["err"]))
    if value["ok"] is not None:
        return Status(value["ok"])
    answer: list[Any] = []
    while (one := value[len(answer) + 1]) is not None:
        answer.append(_from_lua(one))
    return answer
