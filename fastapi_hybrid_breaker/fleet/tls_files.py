"""What is wrong with the files and options of TLS: the client library does not say which it was."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILES: Final = ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs")

_OF_TLS: Final = re.compile(
    r"SSL|X509|PEM|certfi|certificate|cadata|cipher|start line", re.IGNORECASE
)
"""What the texts of errors have when the contents of a file, or an option, are refused."""


def tls_fault(settings: Mapping[str, Any], error: BaseException) -> str | None:
    """Return which option of a connection is at fault, if one of those for TLS is.

    Reads the files, but for a stranger's error only looks whether they are there.

    Args:
        settings: of the connection.
        error: with which it has failed.
    """
    return (
        _of_files(settings)
        or locked_key(settings)
        or (_of_contents(settings) if _OF_TLS.search(str(error)) else None)
    )


def locked_key(settings: Mapping[str, Any]) -> str | None:
    """Return what is wrong where a key is encrypted and no password is given, else None.

    OpenSSL would ask for one on the terminal, and the whole process would wait for the answer.
    """
    path = settings.get("ssl_keyfile") or settings.get("ssl_certfile")
    if not path or settings.get("ssl_password"):
        return None
    try:
        is_locked = b"ENCRYPTED" in Path(path).read_bytes()
    except (OSError, ValueError, TypeError):
        return None  # the client library cannot read it either
    name = "ssl_keyfile" if settings.get("ssl_keyfile") else "ssl_certfile"
    return _said(name, path, "its key is encrypted; set ssl_password") if is_locked else None


def _of_files(settings: Mapping[str, Any]) -> str | None:
    for name in _FILES:
        if path := settings.get(name):
            try:
                with Path(path).open("rb"):
                    pass
            except (OSError, ValueError, TypeError) as error:
                return _said(name, path, getattr(error, "strerror", None) or "it is not a path")
    path = settings.get("ssl_ca_path")
    if path and not Path(path).is_dir():
        return _said("ssl_ca_path", path, "No such directory")
    if settings.get("ssl_keyfile") and not settings.get("ssl_certfile"):
        return "ssl_keyfile needs ssl_certfile beside it"
    return None


def _of_contents(settings: Mapping[str, Any]) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    certificates, key = settings.get("ssl_certfile"), settings.get("ssl_keyfile")
    if certificates:
        password = settings.get("ssl_password")
        try:
            # A function, for without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(certificates, key, password=lambda: password or "")
        except (ssl.SSLError, ValueError, TypeError) as error:
            names = ("ssl_certfile", "ssl_keyfile", "ssl_password")
            given = " and ".join(name for name in names if settings.get(name))
            return f"{given} cannot be used{_reason(error)}: {certificates!s:.200}"
    for name, of_context in (
        ("ssl_ca_certs", "cafile"),
        ("ssl_ca_path", "capath"),
        ("ssl_ca_data", "cadata"),
    ):
        if value := settings.get(name):
            try:
                context.load_verify_locations(**{of_context: value})
            except (ssl.SSLError, ValueError, TypeError) as error:
                shown = "" if name == "ssl_ca_data" else f": {value!s:.200}"
                return f"{name} holds no certificates{_reason(error)}{shown}"
    if ciphers := settings.get("ssl_ciphers"):
        try:
            context.set_ciphers(ciphers)
        except (ssl.SSLError, ValueError, TypeError):
            return "ssl_ciphers names no cipher that is known here"
    return None


def _said(name: str, path: object, reason: str) -> str:
    return f"{name} cannot be read ({reason}): {path!s:.200}"


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return f" ({reason})" if reason else ""
