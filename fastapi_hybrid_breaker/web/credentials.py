"""Whether a text is one of the secrets that a request shows: such a text never names anybody."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

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

_SHORTEST_PART: Final = 8
"""Characters of a secret that makes a secret of a text around it."""

_LONGEST_PIECE: Final = 20
"""Characters of a piece of a secret from which on the piece is one as well: a user's name often
stands in a token of theirs."""


def is_credential(text: str, request: HTTPConnection) -> bool:
    """Whether ``text`` is a secret of ``request``, holds one, or is a long piece of one."""
    text = text.strip()
    login = _basic_login(request.headers.get("authorization", ""))
    if login is not None and text == login[0] != login[1] != "":
        return False  # the name of who has logged in, whatever else it stands in
    return text in _possible_keys(request) or holds_secret(text, request)


def holds_secret(text: str, request: HTTPConnection) -> bool:
    """Whether ``text`` has to do with what is certainly a secret of ``request``."""
    text = text.strip()
    return any(
        text == secret
        or (len(secret) >= _SHORTEST_PART and secret in text)
        or (len(text) >= _LONGEST_PIECE and text in secret)
        for secret in _secrets(request)
    )


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
