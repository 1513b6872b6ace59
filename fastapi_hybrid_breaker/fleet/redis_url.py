"""The options of a Redis URL: checked before the client library takes them for something else.

It keeps most of them as text and fails with them later, at every connection, or reads them as it
likes: any text but a few stands for yes. Values are never quoted: one can be a part of a password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable


class _Kind:
    """What the value of an option may be, and how to say so."""

    def __init__(self, wanted: str, fits: Callable[[str], bool]) -> None:
        self.wanted = wanted
        self.fits = fits


def _between(least: float, most: float, *, whole: bool) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        if not text.isascii() or "_" in text:
            return False
        try:
            return least <= (int(text) if whole else float(text)) <= most
        except ValueError:
            return False

    return fits


def _one_of(*names: str) -> Callable[[str], bool]:
    return lambda text: text.lower() in names


_TEXT: Final = _Kind("text", lambda text: bool(text) and "\x00" not in text)
_NAME: Final = _Kind(  # servers refuse the connection else
    "printable ASCII without spaces", lambda text: bool(text) and all("!" <= c <= "~" for c in text)
)
_FLAG: Final = _Kind(
    "yes or no", _one_of("yes", "no", "true", "false", "1", "0", "t", "f", "y", "n")
)
_SECONDS: Final = _Kind("a number of seconds from 0.001 to 3600", _between(1e-3, 3600, whole=False))
_COUNT: Final = _Kind("a whole number from 1 to 2147483647", _between(1, 2**31 - 1, whole=True))
_FROM_ZERO: Final = _Kind("a whole number from 0 to 2147483647", _between(0, 2**31 - 1, whole=True))

_TLS: Final = {
    "ssl_cert_reqs": _Kind(
        "none, optional or required", lambda text: text in {"none", "optional", "required"}
    ),
    "ssl_check_hostname": _FLAG,
    "ssl_min_version": _Kind("771 (TLS 1.2) or 772 (TLS 1.3)", _between(771, 772, whole=True)),
    **dict.fromkeys(
        ("ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile", "ssl_keyfile"), _TEXT
    ),
    **dict.fromkeys(
        (
            "ssl_password",
            "ssl_ciphers",
            "ssl_include_verify_flags",
            "ssl_exclude_verify_flags",
        ),
        _TEXT,
    ),
}

_OPTIONS: Final = {
    "db": _FROM_ZERO,
    "username": _TEXT,
    "password": _TEXT,
    "client_name": _NAME,
    "lib_name": _TEXT,
    "lib_version": _TEXT,
    "socket_keepalive": _FLAG,
    "socket_read_size": _COUNT,
    # Known to the client library, and replaced by our own: they may stand there.
    "socket_timeout": _SECONDS,
    "socket_connect_timeout": _SECONDS,
    "health_check_interval": _FROM_ZERO,
    "retry_on_timeout": _FLAG,
    "decode_responses": _FLAG,
    "legacy_responses": _FLAG,
    "encoding": _TEXT,
    "encoding_errors": _TEXT,
    "max_connections": _COUNT,
    "protocol": _Kind("2 or 3", lambda text: text in {"2", "3"}),
}


def check_url(url: str) -> None:
    """Check what the client library would take and then fail with at every connection.

    Raises:
        ValueError: naming the option, and what to write.
    """
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return  # the client library says so as well
    if parts.scheme not in {"redis", "rediss", "unix"}:
        return
    # A password that is not encoded ends where it has one of these.
    is_torn = any(name not in _OPTIONS | _TLS for name, _ in options) and "@" in parts.query
    if is_torn or "@" in parts.fragment:
        raise _wrong("write ?, # and / in a user name or password as %3F, %23 and %2F")
    if _has_port_0(parts):
        raise _wrong("its port must be a whole number from 1 to 65535")
    if not _is_host(unquote(parts.hostname or "")):
        raise _wrong("its host cannot be a name: it has a space, or a part of it is empty or long")
    database = parts.path.strip("/")
    seen: set[str] = set()
    if parts.scheme != "unix" and database:
        if not _FROM_ZERO.fits(database):
            raise _wrong("after the host comes the database's number")
        seen.add("db")
    for name, value in options:
        _check_option(name, value, seen, is_tls=parts.scheme == "rediss")
        seen.add(name)


def check_client_name(name: object) -> None:
    """Check the name that a caller's client gives its connections; no name is none.

    Raises:
        ValueError: every server would refuse each of its connections.
    """
    text = name.decode(errors="replace") if isinstance(name, bytes) else str(name or "")
    if text and not _NAME.fits(text):
        raise ValueError(
            f"redis must be a client that can connect: its client_name must be {_NAME.wanted}"
        )


def _has_port_0(parts: SplitResult) -> bool:
    """Whether the port is 0, for which the client library would take the usual one."""
    try:
        return parts.port == 0
    except ValueError:
        return False  # the client library refuses it


def _is_host(host: str) -> bool:
    """Whether ``host`` can be looked up at all; that it exists is another question."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return host.isprintable() and " " not in host


def _check_option(name: str, value: str, seen: set[str], *, is_tls: bool) -> None:
    kind = _OPTIONS.get(name) or _TLS.get(name)
    if kind is None:
        known = ", ".join(sorted(_OPTIONS | _TLS))
        shown = name if name.isidentifier() and name.isascii() else repr(name)
        raise _wrong(f"one of its options is unknown: {shown:.60}; there are {known}")
    if name in _TLS and not is_tls:
        raise _wrong(f"its option {name} needs TLS: write rediss://")
    if name in seen:
        raise _wrong(f"its option {name} is given twice")
    if not kind.fits(value):
        raise _wrong(f"its option {name} must be {kind.wanted}")


def cannot_use(url: str) -> ValueError:
    """Return the error for options that the client library of this process does not take."""
    options = sorted({name for name, _ in parse_qsl(urlsplit(url).query)})
    return _wrong(f"one of its options cannot be used here: {', '.join(options)}")


def _wrong(reason: str) -> ValueError:
    return ValueError(f"redis must be a Redis URL: {reason}")
