"""Taking secrets out of texts that everybody can read. Pure.

A text is of any form, so this looks for what secrets stand in: URLs, data source names, headers,
fields that are called after a secret, and tokens whose form shows what they are. In doubt it takes
too much.

It runs where calls fail, on texts that an upstream may have chosen. So no expression looks at the
same characters again and again: what repeats is limited, possessive (``*+``), or begins where a run
does.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from .secret_fields import MASK, QUOTED, mask_fields
from .secret_tokens import mask_tokens

__all__ = ["MASK", "mask_quoted", "redact"]

_HINT: Final = re.compile(
    r"[=@?&#:\-_<%'\"/0-9\t]|bearer|basic|token|apikey|negotiate|ntlm|eyj|pass|auth", re.IGNORECASE
)
"""What a text has at least that may hold a secret: a character, or a word."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,40}://")
_NEXT_URL: Final = re.compile(r"(?<=[\"'(\[{<,;|])[A-Za-z][A-Za-z0-9+.\-]{0,40}://")
_NOT_BLANK: Final = re.compile(r"\S*")
_WORD: Final = re.compile(r"\S+")

_HOST: Final = re.compile(r"(?:[\w.\-]+|\[[0-9A-Fa-f:.%\w]+\])(?::\d{1,5})?(?=:?$|[\"'<>)\]},;])")
"""A host and its port, or several with commas: an authority without a user."""

_LOOKS_RANDOM: Final = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[\w:=+.~%\-]{20,}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PLAIN_NAME: Final = re.compile(r"[\w.\-\[\]$%]{1,40}")
_MATRIX: Final = re.compile(r"(;[\w.\-]+=)[^/;]+")

_QUERY: Final = re.compile(r"([?&#;][\w.\-\[\]$%]{1,40}=)(?!\*\*\*(?:[;\s]|$))[^\s&]+")
"""A parameter of a URL that has no scheme."""

_LOGIN: Final = re.compile(
    r"(?<![^\s/:@\"'(<,=])[^\s/:@\"'(<,=]*+:(?!//)[^\s@\"']{1,200}@(?=[\w\[(.\-])"
)
"""User and password before a host, without a scheme."""

_ORACLE: Final = re.compile(r"(?<![\w/.\-])\w{1,60}+/[^\s/@\"']{1,100}@(?=[\w.\-]{1,255}:\d{1,5}/)")
"""The same as Oracle's tools write it."""

_HEADER: Final = re.compile(
    r"((?:authorization|cookie)[\"']?\s*[=:]\s*)(?:" + QUOTED + r"|[^\r\n\"'}]+)", re.IGNORECASE
)

_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_MOST_ENCODINGS: Final = 3

_MOST_PASSES: Final = 4
"""How often a text is looked at: what is left beside a mask can read as something else."""

_DETAIL: Final = re.compile(r"(\([\w\", ]+\)=\()[^)]*")
"""A column and its value, as PostgreSQL quotes them."""

_ESCAPED_BYTES: Final = re.compile(r"(?:\\{1,8}x[0-9A-Fa-f]{2})++")
_BYTE: Final = re.compile(r"x(..)")
_ESCAPED: Final = re.compile(r"\\{1,8}(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))")

_SPECIAL: Final = re.compile(r"[^\t-\r -~]")
_COLOR: Final = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")

_WHITE: Final = frozenset("\t\n\v\f\r\x85")
_BLANK: Final = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0\ufe0e\ufe0f")
"""Characters that show nothing, although their categories are of some that do."""


_LONGEST_FORM: Final = 3
"""Characters of a plain form: of what stands for a whole sentence the text would grow too long."""


@lru_cache(maxsize=64)  # an upstream that is down fails with the same text again and again
def redact(text: str) -> str:
    """Return ``text`` without the secrets that it seems to hold.

    Of URLs, with any scheme and also several, userinfo, fragments and the values of query
    parameters go, and parts of the path that look random. Of other texts the values of what is
    called after a secret (``password=``, ``"api_key":``, ``Authorization:``) and tokens go.
    """
    for _ in range(_MOST_PASSES):
        before, text = text, _redact_shown(text)
        if _ENCODED.search(text):
            text = _WORD.sub(_redact_encoded, text)
        if text == before:
            break
    return text


def _redact_shown(text: str) -> str:
    """Redact a text, and in the form in which it reads if that holds a secret."""
    plain = _without_disguise(text)
    if plain != text:
        redacted = _redact_plain(plain)
        if redacted != plain:
            return redacted
    return _redact_plain(text)


def _redact_plain(text: str) -> str:
    if not _HINT.search(text):
        return text
    text = _redact_urls(text)
    text = _QUERY.sub(rf"\1{MASK}", text)
    text = _HEADER.sub(rf"\1{MASK}", text)
    text = mask_fields(text)
    text = _DETAIL.sub(rf"\1{MASK}", text)
    text = _LOGIN.sub(f"{MASK}@", text)
    text = _ORACLE.sub(f"{MASK}@", text)
    return mask_tokens(text)


def _redact_encoded(found: re.Match[str]) -> str:
    """Decode a word that is percent-encoded, and redact it if that takes anything away."""
    word = plain = found[0]
    for _ in range(_MOST_ENCODINGS):
        plain = unquote(plain)
    redacted = _redact_shown(plain)
    return word if redacted == plain else redacted


def mask_quoted(text: str) -> str:
    """Return ``text`` with what it quotes masked: the input that an error is about."""
    if "'" not in text and '"' not in text:
        return text
    return _QUOTATION.sub(lambda found: f"{found[1]}{found[2]}{MASK}{found[2]}", text)


_QUOTATION: Final = re.compile(
    r"(?<!\w)([bru]{0,2})(?=(['\"]))(?:'(?:[^'\\]|\\.?)*+(?:'|$)|\"(?:[^\"\\]|\\.?)*+(?:\"|$))",
    re.DOTALL,
)


def _redact_urls(text: str) -> str:
    parts = []
    at = 0
    while (scheme := _SCHEME.search(text, at)) is not None:
        begin = scheme.end()
        end = _NOT_BLANK.match(text, begin).end()  # type: ignore[union-attr] # it matches anything
        query = text.find("?", begin, end)
        following = _NEXT_URL.search(text, begin, end if query < 0 else query)
        if following is not None:
            end = following.start()
        redacted, end = _redact_url(text, begin, end)
        parts += [text[at:begin], redacted]
        at = end
    return "".join([*parts, text[at:]])


def _redact_url(text: str, begin: int, end: int) -> tuple[str, int]:
    """Return what follows the scheme, redacted, and where in ``text`` it ends."""
    url = text[begin:end]
    path = url.partition("?")[0]
    authority = re.split(r"[/?#]", url, maxsplit=1)[0]
    if _has_user(authority, path):
        # Up to the last one: a password may hold any of the characters that end an authority.
        cut = url.rfind("@")
        if cut < 0:  # and spaces
            cut = text.find("@", end, end + 100)
            if cut < 0:
                return MASK, end
            end = _NOT_BLANK.match(text, cut).end()  # type: ignore[union-attr]
            return f"{MASK}@{_redact_tail(text[cut + 1 : end])}", end
        return f"{MASK}@{_redact_tail(url[cut + 1 :])}", end
    return _redact_tail(url), end


def _has_user(authority: str, path: str) -> bool:
    if "@" in authority or (":" in authority and "@" in path):
        return True
    return not all(_HOST.match(one) or not one for one in authority.split(","))


def _redact_tail(url: str) -> str:
    """Redact a URL from its host on."""
    url, hash_sign, _ = url.partition("#")
    path, question, query = url.partition("?")
    head, *segments = path.split("/")
    kept = [MASK if _is_random(one) else _MATRIX.sub(rf"\1{MASK}", one) for one in segments]
    text = "/".join([head, *kept])
    if question:
        text += "?" + "&".join(_redact_parameter(one) for one in query.split("&"))
    return f"{text}#{MASK}" if hash_sign else text


def _is_random(segment: str) -> bool:
    return bool(_LOOKS_RANDOM.match(segment)) and not _UUID.match(segment)


def _redact_parameter(parameter: str) -> str:
    name, sign, _ = parameter.partition("=")
    return f"{name}={MASK}" if sign and _PLAIN_NAME.fullmatch(name) else MASK


def _without_disguise(text: str) -> str:
    """Return ``text`` as it reads: without what cannot be seen, in the plain form of each letter.

    Characters that stand there as escapes, as in what ``repr`` and JSON write, are taken for what
    they stand for.
    """
    if "\\" in text:
        text = _ESCAPED_BYTES.sub(_decoded, text)
        text = _ESCAPED.sub(_character, text)
        # JSON escapes what is beyond 16 bits in two halves.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if not _SPECIAL.search(text):
        return text
    return "".join(map(_shown, _COLOR.sub("", text)))


@lru_cache(maxsize=1024)
def _shown(char: str) -> str:
    """Return the plain form of a character; nothing for one that cannot be seen."""
    if char in _BLANK or (char not in _WHITE and unicodedata.category(char) in {"Cc", "Cf"}):
        return ""
    if char != " " and unicodedata.category(char) == "Zs":
        return "\t"  # between words it is seldom more than a divider
    plain = unicodedata.normalize("NFKC", char)
    return plain if len(plain) <= _LONGEST_FORM else char


def _decoded(found: re.Match[str]) -> str:
    data = bytes.fromhex("".join(_BYTE.findall(found[0])))
    try:
        return data.decode()
    except UnicodeDecodeError:  # an escape of a text, and not of bytes
        return data.decode("latin-1")


def _character(found: re.Match[str]) -> str:
    code = int(found[1] or found[2], 16)
    return chr(code) if code <= 0x10FFFF else found[0]
