"""Whether a text is one of the secrets that a request shows: such a text never names anybody."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.requests import HTTPConnection

_AUTHORIZATION: Final = frozenset({"authorization", "proxy-authorization"})

_SECRET_WORDS: Final = frozenset(
    {
        "apikey",
        "assertion",
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "jwt",
        "key",
        "pass",
        "passphrase",
        "passwd",
        "password",
        "pwd",
        "secret",
        "session",
        "sig",
        "signature",
        "token",
    }
)
_NAMING_WORDS: Final = frozenset(
    {
        "account",
        "actor",
        "by",
        "email",
        "identity",
        "login",
        "mail",
        "name",
        "operator",
        "person",
        "principal",
        "reason",
        "sub",
        "subject",
        "uid",
        "upn",
        "user",
        "username",
    }
)

_FIELD: Final = re.compile(r'(?:(\w+)=)?"?([^\s,"]+)')
"""A part of what follows a scheme: a text, or a field and its value as Digest has them."""

_URL_SAFE: Final = str.maketrans("-_", "+/")
_FOR_URLS: Final = str.maketrans("+/", "-_")

_LEFT_OUT: Final = "=.*\u2026 "
"""What stands behind a text that goes on, and behind base64."""

_NAME: Final = re.compile(r"[^\W\d_][\w.+\-]*@[\w.\-]+|(?:[^\W\d_]|[ .\-])+")
"""A name as it stands before the signature of a cookie, or in another value: no token."""

_SHORTEST_PART: Final = 8
"""Characters of a secret that makes a secret of a text around it, or of the beginning of one."""

_LONGEST_PIECE: Final = 20
"""Characters of a piece of a secret from which on the piece is one as well: a user's name often
stands in a token of theirs."""


def is_credential(text: str, request: HTTPConnection) -> bool:
    """Whether ``text`` is a secret of ``request``, holds one, or is a long piece of one."""
    text = _plain(text)
    login = _basic_login(request.headers.get("authorization", ""))
    if login is not None and text == _plain(login[0]) != _plain(login[1]) != "":
        return False  # the name of who has logged in, whatever else it stands in
    keys = _in_all_forms(_possible_keys(request))
    return any(text == key or _begins(text, key) for key in keys) or holds_secret(text, request)


def holds_secret(text: str, request: HTTPConnection) -> bool:
    """Whether ``text`` has to do with what is certainly a secret of ``request``."""
    text = _plain(text)
    return any(
        text == secret
        or (len(secret) >= _SHORTEST_PART and secret in text)
        or (len(text) >= _LONGEST_PIECE and text in secret)
        or _begins(text, secret)
        for secret in _in_all_forms(_secrets(request))
    )


def _plain(text: str) -> str:
    """Return ``text`` in one case: a secret in the other one can be guessed from it."""
    return text.strip().casefold()


def _in_all_forms(secrets: Iterable[str]) -> Iterator[str]:
    """Yield secrets as they are and as they are often encoded, so that a text can be compared."""
    for secret in secrets:
        if not secret:
            continue
        data = secret.encode("utf-8", "surrogateescape")
        encoded = base64.b64encode(data).decode().rstrip("=")
        forms = (secret, encoded, encoded.translate(_FOR_URLS), data.hex(), quote(data, safe=""))
        yield from dict.fromkeys(map(_plain, forms))


def _begins(text: str, secret: str) -> bool:
    """Whether ``text`` is the beginning of ``secret``, but for a name in front of it."""
    text = text.rstrip(_LEFT_OUT)
    if len(text) < _SHORTEST_PART or not secret.startswith(text):
        return False
    following = secret[len(text) : len(text) + 1]
    return following.isalnum() or not _NAME.fullmatch(text)


def _possible_keys(request: HTTPConnection) -> Iterator[str]:
    """Yield the values of headers, any of which may hold a key.

    But not of one that is called after a user: that is how proxies pass on who has logged in.
    """
    for header, value in request.headers.items():
        if not _names_somebody(header):
            yield value.strip()


def _secrets(request: HTTPConnection) -> Iterator[str]:
    """Yield what proves who sends the request."""
    for header, value in request.headers.items():
        if header in _AUTHORIZATION:
            yield from _of_authorization(value)
        elif header != "cookie" and _words(header) & _SECRET_WORDS:
            yield value.strip()
    for name, value in [*request.cookies.items(), *request.query_params.multi_items()]:
        if value and not _names_somebody(name):
            yield value.strip()


def _of_authorization(value: str) -> Iterator[str]:
    """Yield the secrets of an ``Authorization`` header, whatever its scheme."""
    value = value.strip()
    yield value
    shown = value.partition(" ")[2].strip()
    if shown:
        yield shown
    login = _basic_login(value)
    if login is None:
        for field, part in _FIELD.findall(shown):
            if part and not _names_somebody(field):
                yield part
        return
    user, password = login
    yield f"{user}:{password}"
    # Without a password it is a key in place of a user, as some services want it.
    yield password or user


def _basic_login(value: str) -> tuple[str, str] | None:
    """Return user and password of an ``Authorization`` header of the scheme Basic."""
    scheme, _, shown = value.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(shown.translate(_URL_SAFE) + "==").decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None
    user, _, password = decoded.partition(":")
    return user.strip(), password.strip()


def _names_somebody(name: str) -> bool:
    words = _words(name)
    return not words & _SECRET_WORDS and bool(words & _NAMING_WORDS)


def _words(name: str) -> set[str]:
    return set(re.split(r"[\W_]+", name.lower()))
