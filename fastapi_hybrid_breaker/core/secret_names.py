"""Which fields hold secrets, by their names. Pure."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
"""A word of a name: ``clientSecret``, ``CLIENT_SECRET`` and ``client-secret`` have two."""

_ENDS: Final = (
    *("password", "passwd", "passphrase", "passcode", "passwort", "kennwort", "secret", "token"),
    *("credential", "apikey", "secretkey", "accesskey", "privatekey", "authorization", "cookie"),
    *("sessionid", "sessid", "sessionkey", "signature", "privkey"),
)
"""How a word ends that stands for a secret, wherever it is in a name: ``csrftoken``."""

_WORDS: Final = frozenset({"pwd", "otp", "totp", "cvv", "cvc", "psk", "jwt", "hmac"})
"""Words that stand for a secret, wherever they are in a name."""

_LAST_WORDS: Final = frozenset(
    {"pass", "pw", "pin", "auth", "sig", "dsn", "sid", "pat", "sas", "csrf", "xsrf", "bearer"}
)
"""Words that stand for a secret at the end of a name only: an ``auth_server`` is none."""

_PAIRS: Final = {
    "key": frozenset(
        {
            *("api", "access", "account", "secret", "private", "shared", "encryption", "master"),
            *("decryption", "signing", "license", "subscription", "function", "functions", "auth"),
            *("storage", "client", "service", "deploy", "consumer", "app", "application", "admin"),
            *("webhook", "session", "aes", "rsa", "ssh", "sas", "integration", "developer", "host"),
        }
    ),
    "code": frozenset(
        {
            *("otp", "pin", "verification", "security", "auth", "authorization", "authentication"),
            *("mfa", "fa", "sms", "access", "backup", "recovery", "login"),
        }
    ),
    "id": frozenset({"session"}),
    "verifier": frozenset({"code"}),
    "assertion": frozenset({"client"}),
}
"""Words that stand for a secret after one of those: an ``api_key``, and not a ``primary_key``."""

_ABOUT: Final = frozenset(
    {
        *("count", "counts", "length", "len", "size", "limit", "type", "policy", "expiry", "ttl"),
        *("expires", "usage", "budget", "endpoint", "url", "uri", "name", "field", "hint", "age"),
    }
)
"""The last word of names that say something of a secret: ``token_type``."""


@lru_cache(maxsize=512)
def is_secret_name(name: str) -> bool:
    """Whether a field that is called so holds a secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _ABOUT:
        return False
    if words[-1] in _LAST_WORDS or any(map(_is_secret_word, words)):
        return True
    following = itertools.pairwise(words)
    return any(first in _PAIRS.get(_singular(word), ()) for first, word in following)


def _is_secret_word(word: str) -> bool:
    return word in _WORDS or _singular(word).endswith(_ENDS)


def _singular(word: str) -> str:
    return word.removesuffix("s")
