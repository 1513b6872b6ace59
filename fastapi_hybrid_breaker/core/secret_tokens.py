"""Tokens whose form shows that they are secrets: found and masked. Pure.

No expression here looks at the same characters again and again, see ``redaction``.
"""

from __future__ import annotations

import re
from typing import Final

from .secret_fields import MASK, QUOTED

_SCHEME: Final = re.compile(
    r"(\b(?i:bearer|basic|token|apikey|negotiate|ntlm)\s+)"
    r"(?:(?=\S*(?:\d|[a-z][A-Z]|=|\w\.\w))[\w.~+/=:\-]{4,}|(?<=(?i:bearer)\s)[A-Za-z.\-]{16,})"
)
"""The credentials of a header, after the name of their scheme: what does not read as a word."""

_DIGEST: Final = re.compile(r"(\b(?i:digest)\s+)\w{1,20}\s?=[^\r\n]+")

_FORMS: Final = re.compile(
    r"(?<![\w\-])(?:"
    r"eyJ[\w\-]{5,}\.[\w\-]*(?:\.[\w\-]*){0,4}|eyJ[\w+/\-]{16,}=*"  # JSON web tokens
    r"|(?:sk|pk|rk)_(?:live|test)_\w{8,}"
    r"|(?:sk|pk|rk)-(?=[\w\-]*(?:\d|[a-z][A-Z]))[\w\-]{8,}"
    r"|gh[pousr]_\w{8,}|github_pat_\w{8,}|gl[a-z]{2,5}-[\w\-]{16,}|xox[a-z]-[\w\-]{8,}"
    r"|xapp-[\w\-]{8,}|(?:hf|npm)_[A-Za-z0-9]{16,}|pypi-(?=[\w\-]*[A-Z])[\w\-]{8,}|do[opr]_v1_\w{16,}"
    r"|shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{16,}|sq0[a-z]{3}-[\w\-]{10,}|whsec_[\w+/=]{10,}"
    r"|SG\.[\w\-]{10,}\.[\w\-]{10,}|hv[bsr]\.[\w\-]{10,}|ya29\.[\w\-]{8,}|AIza[\w\-]{20,}"
    r"|(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{12,}|AC[0-9a-f]{32}|key-[0-9a-f]{32}|dapi[0-9a-f]{32}"
    r"|T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/\w{8,}"  # Slack's webhooks
    r"|(?:bot)?\d{8,10}:[\w\-]{30,}"
    r")"
)
"""Tokens that begin as their issuer wants it."""

_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*", re.DOTALL)

_SAID: Final = re.compile(
    r"(\b(?:password|passwd|pwd|passphrase|passcode|secret|credentials?|api key|otp|pin"
    r"|(?:otp|pin|verification|security|mfa|sms|access|backup|recovery|login) code)\s+"
    r"(?:for (?:user )?+\S{1,60} )?+(?:(?:is|was):?\s+|provided:\s+)?)"
    r"(?:" + QUOTED + r"|(?<=provided: )\S+|(?=[^\s\d]{0,100}\d)[^\s,;()\[\]{}<>]{4,})",
    re.IGNORECASE,
)
"""A sentence with a secret in it: quoted, or a word that has digits."""

_MIXED: Final = r"(?=[^\s\d]{0,100}\d)(?=\d{0,100}[A-Za-z]|[A-Za-z])"
"""Before a word that has letters and digits, as secrets have and sentences have not."""

_TOKEN_SAID: Final = re.compile(
    r"(\b(?:token|(?:access|client|signing|private) key)\s+(?:is|was):?\s+)"
    rf"(?:{QUOTED}"
    rf"|{_MIXED}(?!(?:base|utf|sha|rs|hs|es|ps|v|oauth|http)[\d-])[^\s,;()\[\]{{}}<>]{{6,}}+)",
    re.IGNORECASE,
)
"""A sentence with a token in it; one of digits alone may be a number of something."""

_LOGIN: Final = re.compile(
    r"((?:\bPASS|\b(?i:log ?in)\s+(?:(?i:as|user|with)\s+){0,2}"
    r"(?!(?i:after|as|at|attempt|by|failed|for|from|in|of|on|page|timeout|to|took|user|via|with)\s)"
    rf"[^\s:]{{1,60}})\s+(?:(?i:with|using)\s+)?[\\\"']{{0,9}}){_MIXED}[^\s\"',;(){{}}]{{6,}}+"
)
"""User and password as IMAP's command has them; and FTP's command."""

_COMMAND: Final = re.compile(
    r"((?<!\S)(?:-[uU]|--user|--proxy-user)\s{1,20}[^\s:]{0,100}:"
    r"|\bmysql\w{0,10}\s[^\n]{0,100}?-p|\bsshpass\s+-p\s*|\b(?:redis|valkey)-cli\s[^\n]{0,100}?-a\s+"
    r"|\bSETUSER\s[^\n]{0,100}?\s>|\b(?i:identified by|requirepass|masterauth)[\s\"']+"
    r"|\bAUTH\s+(?:\w{1,60}\s+)?(?=[^\s\d]{0,100}\d))[^\s\"']+"
)
"""Passwords in commands of a shell, of Redis and of SQL."""

_LONG: Final = re.compile(r"(?<![\w+/=.\-])[A-Za-z0-9+/]{32,}+=*(?![\w.\-])")
_CHANGES: Final = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])|[0-9](?=[A-Za-z])")

_AWS_SECRET_LENGTH: Final = 40


def mask_tokens(text: str) -> str:
    """Return ``text`` with tokens masked, and what stands after the words for a secret."""
    text = _PRIVATE_KEY.sub(MASK, text)
    text = _SAID.sub(rf"\1{MASK}", text)
    text = _TOKEN_SAID.sub(rf"\1{MASK}", text)
    text = _LOGIN.sub(rf"\1{MASK}", text)
    text = _COMMAND.sub(rf"\1{MASK}", text)
    text = _DIGEST.sub(rf"\1{MASK}", text)
    text = _SCHEME.sub(rf"\1{MASK}", text)
    text = _FORMS.sub(MASK, text)
    return _LONG.sub(_mask_random, text)


def _mask_random(found: re.Match[str]) -> str:
    """Mask what changes between small letters, capitals and digits as only chance does."""
    text = found[0]
    has_all = any(map(str.islower, text)) and any(map(str.isupper, text))
    if not has_all or not any(map(str.isdigit, text)):
        return text
    is_aws = len(text) == _AWS_SECRET_LENGTH and ("/" in text or "+" in text)
    changes = len(_CHANGES.findall(text))
    return MASK if is_aws or changes > len(text) * 0.48 else text
