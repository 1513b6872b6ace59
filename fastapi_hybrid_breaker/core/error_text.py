"""What is kept of an exception, to be logged, shared and shown. Pure.

Texts of exceptions quote what they are about: a URL with its key, the input of a model, the
parameters of a statement. Here stands, for each kind that is known, what explains without quoting.
Kinds are found by name, so that no library has to be imported or even installed.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from traceback import walk_tb
from typing import Any, Final, Literal, TypeAlias

from .redaction import MASK, mask_quoted, redact

Explain = Callable[[Any], str]

DescribeError: TypeAlias = Literal["type", "text"] | Callable[[BaseException], str]
"""What is kept of an exception: its type, its type and text without secrets, or what a function
returns."""

LONGEST_ERROR = 200
"""Characters of an error's text that are kept."""

_LONGEST_READ: Final = 2000
"""Characters of a text that are looked at."""

_MOST_FAULTS: Final = 3
"""Errors of a validation that are named."""

_PLAIN: Final = re.compile(r"[A-Za-z_]{1,30}")
"""The name of a field, or of a kind of error. What has other characters may be the key of some
dictionary, which is input."""


def describe_error(error: object, how: DescribeError = "text") -> str:
    """Return an exception as it is logged, shared and shown, or a text, on one line and cut.

    Args:
        error: the exception, or a text of ours.
        how: ``CircuitConfig.describe_error``.
    """
    if not isinstance(error, BaseException):
        described = str(error or "")
    else:
        kind: Any = type(error)
        name = kind.__name__
        try:
            if callable(how):
                said: object = how(error)
                described = said if isinstance(said, str) else name
            else:
                text = "" if how == "type" else _explainer(kind)(error)
                described = f"{name}: {text}" if text else name
        except BaseException as raised:
            # Functions and texts of strangers can raise anything, SystemExit too. But a signal that
            # ends the program, or a call that lasts too long, only happens to arrive here.
            if isinstance(raised, KeyboardInterrupt) or _is_of_a_signal(raised):
                raise
            described = name if callable(how) else f"{name} (its text cannot be had)"
    described = described[:LONGEST_ERROR]  # first: a text can be long
    if described.isprintable():
        return described
    # Control characters would forge log lines.
    return "".join(char if char.isprintable() else " " for char in described)


def _is_of_a_signal(raised: BaseException) -> bool:
    """Whether a signal's handler has raised it, which may run between any two lines."""
    handlers = map(signal.getsignal, signal.valid_signals())
    codes = {_code_of(one) for one in handlers if callable(one)}
    frames = walk_tb(raised.__traceback__)
    return any(frame.f_code in codes for frame, _ in frames)


def _code_of(handler: Any) -> object:
    while isinstance(handler, partial):
        handler = handler.func
    if not hasattr(handler, "__code__"):  # neither a function nor a method
        handler = handler.__call__
    return getattr(handler, "__code__", None)


@lru_cache(maxsize=256)
def _explainer(kind: Any) -> Explain:
    for base in kind.__mro__:
        package = base.__module__.partition(".")[0]
        found = _BY_NAME.get(f"{package}.{base.__name__}") or _OF_ANY_PACKAGE.get(base.__name__)
        if found is not None:
            return found
    package = kind.__module__.partition(".")[0]
    if package == "builtins" or package in sys.stdlib_module_names:
        if kind is KeyError:
            return _nothing
        if issubclass(kind, UnicodeError) and kind is not UnicodeError:
            return _of_unicode
        if issubclass(kind, ValueError):
            return _of_value
        if issubclass(kind, OSError):
            return _of_system
    return _text


def _text(error: BaseException) -> str:
    text = str(error)
    return redact(text if len(text) <= _LONGEST_READ else _beginning(text))


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST_READ else _beginning(text)


def _beginning(text: str) -> str:
    """Return the beginning of ``text``, up to where a word ends: half a URL may hide its user."""
    words = _LAST_WORD.split(text[:_LONGEST_READ], maxsplit=1)
    return words[0] if len(words) > 1 else ""


_LAST_WORD: Final = re.compile(r"\s\S*\Z")


def _masked(error: BaseException) -> str:
    """Return the first line without what it quotes; the others are details of the input."""
    return redact(mask_quoted(_bounded(str(error)).strip().partition("\n")[0]))


def _nothing(_: BaseException) -> str:
    """Return nothing: the whole text is what was looked for."""
    return ""


def _of_unicode(error: Any) -> str:
    return f"{error.encoding}: {error.reason} at {error.start}"


def _of_value(error: ValueError) -> str:
    text = mask_quoted(_bounded(str(error)))
    _, found, kind = text.partition(" is not a valid ")  # of an enum
    if found:
        text = MASK + found + kind
    before, found, _ = text.partition("data remains: ")  # of a time
    return redact(before + found + MASK if found else text)


def _of_system(error: OSError) -> str:
    if error.errno is None or error.strerror is None:
        return _text(error)
    return redact(f"[Errno {error.errno}] {error.strerror}")  # and no file name


def _of_process(error: Any) -> str:
    if hasattr(error, "returncode"):
        return f"exit status {error.returncode}"
    return f"timed out after {error.timeout} seconds"


def _of_json(error: Any) -> str:
    return _text(error)  # which says where, and quotes nothing


def _of_validation(error: Any) -> str:
    try:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    except TypeError:
        faults = error.errors()
    named = [f"{_plain(one['type'])} at {_place(one)}" for one in faults[:_MOST_FAULTS]]
    more = "" if len(faults) <= _MOST_FAULTS else ", ..."
    count = f"{len(faults)} error{'' if len(faults) == 1 else 's'}"
    return f"{count}: {', '.join(named)}{more}" if named else count


def _place(fault: dict[str, Any]) -> str:
    place = [_plain(part) for part in fault["loc"]]
    if place and fault["type"] in {"extra_forbidden", "value_error.extra"}:
        place[-1] = MASK  # a name that the input has chosen
    return ".".join(place) or "the whole"


def _plain(part: object) -> str:
    text = str(part)
    return text if isinstance(part, int) or all(map(_PLAIN.fullmatch, text.split("."))) else MASK


def _of_schema(error: Any) -> str:
    return (
        f"{_plain(error.validator)} at {'.'.join(map(_plain, error.absolute_path)) or 'the whole'}"
    )


def _of_status(error: Any) -> str:
    return f"status {error.response.status_code}, {_request_of(error)}"


def _of_request(error: Any) -> str:
    try:
        request = _request_of(error)
    except RuntimeError:  # httpx does not know which
        return _text(error)
    text = _text(error)
    return f"{text} ({request})" if text else request


def _of_protocol(error: Any) -> str:
    """Explain a message that breaks the protocol, without the header that it quotes."""
    try:
        request = f" ({_request_of(error)})"
    except RuntimeError:
        request = ""
    return f"{_masked(error)}{request}".strip()


def _request_of(error: Any) -> str:
    return f"{error.request.method} {redact(str(error.request.url))}"


def _of_statement(error: Any) -> str:
    """Explain what SQLAlchemy raises by its cause: its text has statement and parameters."""
    cause = getattr(error, "orig", None)
    if not isinstance(cause, BaseException):
        return redact(_bounded(str(error)).partition("[SQL:")[0])
    kind: Any = type(cause)
    return f"{kind.__name__}: {_explainer(kind)(cause)}"


def _of_rpc(error: Any) -> str:
    return f"{error.code().name}: {redact(_bounded(str(error.details() or '')))}"


_BY_NAME: Final[dict[str, Explain]] = {
    "configparser.Error": _masked,
    "fastapi.ValidationException": _of_validation,
    "grpc.AioRpcError": _of_rpc,
    "h11.ProtocolError": _masked,
    "http.InvalidURL": _masked,
    "httpcore.ProtocolError": _masked,
    "httpx.HTTPStatusError": _of_status,
    "httpx.InvalidURL": _masked,
    "httpx.ProtocolError": _of_protocol,
    "httpx.RequestError": _of_request,
    "httpx2.HTTPStatusError": _of_status,
    "httpx2.InvalidURL": _masked,
    "httpx2.ProtocolError": _of_protocol,
    "httpx2.RequestError": _of_request,
    "json.JSONDecodeError": _of_json,
    "jsonschema.ValidationError": _of_schema,
    "pydantic.ValidationError": _of_validation,
    "pydantic_core.ValidationError": _of_validation,
    "redis.ResponseError": _masked,
    "requests.InvalidHeader": _masked,
    "requests.InvalidURL": _masked,
    "requests.MissingSchema": _masked,
    "smtplib.SMTPException": _masked,
    "sqlalchemy.SQLAlchemyError": _of_statement,
    "subprocess.SubprocessError": _of_process,
    "valkey.ResponseError": _masked,
}
"""By package and class; a class that is not here is explained as its nearest base that is."""

_OF_ANY_PACKAGE: Final[dict[str, Explain]] = {
    "DatabaseError": _masked,  # of drivers, as the Python database API names it
    "PostgresError": _masked,
}
