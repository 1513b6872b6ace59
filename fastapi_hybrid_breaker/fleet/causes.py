"""Why Redis cannot be used: in one sentence, with the cure where waiting does not cure it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .credentials import CredentialsError
from .sentinels import NoSuchServiceError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause of not sharing.

    Args:
        kind: the same for errors that are the same to an operator.
        text: what is wrong, and what to do about it where time does not cure it.
        is_lasting: whether trying again is useless until somebody does something.
    """

    kind: str
    text: str
    is_lasting: bool = True


_NAME: Final = r"['\"`]?([A-Za-z][A-Za-z0-9_|.-]{0,40})"

_CODES: Final = {
    "AskError": "ASK",
    "ClusterCrossSlotError": "CROSSSLOT",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
}
"""What servers begin these errors with: redis-py takes it away, and makes it the class."""

_LASTING: Final[tuple[tuple[str, str, str], ...]] = (
    # Kind, what the error says, what it means. {} is what the pattern's group has found.
    (
        "password",
        r"WRONGPASS|invalid username-password|invalid password",
        "refuses the user name or password: correct it where redis= or CIRCUIT_REDIS_URL is set",
    ),
    (
        "no password",
        r"NOAUTH|Authentication required",
        "asks for a password: add one to the URL or client given as redis= or CIRCUIT_REDIS_URL",
    ),
    (
        "needless password",
        r"without any password configured|no password is set|wrong number of arguments for 'auth'",
        (
            "has no password for this user, but one was given: remove it from redis= or"
            " CIRCUIT_REDIS_URL, or set it on the server"
        ),
    ),
    (
        "database",
        r"Invalid Database|DB index|SELECT is not allowed in cluster mode",
        "does not have this database: correct the number in redis= or CIRCUIT_REDIS_URL",
    ),
    (
        "command",
        rf"no permissions to run the {_NAME}",
        (
            "does not permit this user the command {}: add it to the user's ACL (the README has the"
            " whole line)"
        ),
    ),
    (
        "names",
        (
            r"(NOPERM|ACL failure in script).*\b(keys?|channels?)\b"
            r"|executing the script can't (publish|access)"
        ),
        (
            "does not permit this user our keys or channels: add ~<namespace>:* ~<namespace>#*"
            " &<namespace>:updates &<namespace>#signals to its ACL"
        ),
    ),
    (
        "permission",
        r"NOPERM|ACL failure in script|executing the script can't",
        "does not permit this user what is needed: see the ACL in the README",
    ),
    (
        "unknown command",
        rf"unknown command {_NAME}",
        (
            "does not know the command {}: it is renamed or disabled there, or the server is older"
            " than 6.2; circuits cannot be shared over it"
        ),
    ),
    (
        "cluster",
        r"\bMOVED\b|^ASK\b|CLUSTERDOWN|CROSSSLOT|Hash slot not served",
        (
            "is a node of a cluster, which cannot be used yet: give the address of a Redis without"
            " cluster mode"
        ),
    ),
    (
        "scripts",
        (
            r"[Ss]cripts? (are|is) not allowed|scripting is disabled"
            r"|This Redis command is not allowed from script"
        ),
        "does not allow scripts, without which circuits cannot be shared",
    ),
    (
        "protected mode",
        r"protected mode",
        (
            "is in protected mode and takes connections of its own machine only: set a password, or"
            " switch protected mode off"
        ),
    ),
    (
        "replica",
        r"READONLY|read only replica|previous master is now a (slave|replica)",
        "is a read-only replica: give the address of the primary, or use Sentinel",
    ),
    (
        "lost primary",
        r"MASTERDOWN|replica-serve-stale-data",
        (
            "is a replica that has lost its primary: give the address of the primary, or use"
            " Sentinel"
        ),
    ),
    (
        "replicas",
        r"NOREPLICAS|Not enough good (slaves|replicas)",
        (
            "refuses to write since too few of its replicas are connected: bring them back, or"
            " lower min-replicas-to-write on the server"
        ),
    ),
    (
        "clients",
        r"max number of clients",
        (
            "takes no more clients: raise maxclients on the server (and its limit of open files),"
            " or close connections that nobody needs"
        ),
    ),
    (
        "memory",
        r"OOM|used memory > 'maxmemory'",
        "has no memory left: raise maxmemory, or remove what fills it",
    ),
    (
        "disk",
        r"MISCONF",
        "refuses to write since it cannot save to its disk: see its log",
    ),
    (
        "certificate",
        r"CERTIFICATE_VERIFY_FAILED",
        "has a certificate that is not trusted here: set ssl_ca_certs, and check the host's name",
    ),
    (
        "not TLS",
        r"WRONG_VERSION_NUMBER|record layer failure",
        "does not speak TLS on this port: use redis:// in place of rediss://, or its TLS port",
    ),
)


def explain(error: BaseException, where: object, redact: Callable[[str], str]) -> Cause:
    """Return what an error of a connection to Redis means.

    Args:
        error: what was raised.
        where: the server, without credentials.
        redact: takes what must not be shown out of a text.
    """
    if isinstance(error, CredentialsError):
        return Cause(
            "credentials", f"the credential provider for Redis at {where} failed ({error})"
        )
    if isinstance(error, NoSuchServiceError):
        return Cause("service", f"{error}: correct its name, or the sentinels' addresses")
    name, text = type(error).__name__, str(error)
    said = f"{_CODES.get(name, '')} {text}"
    for kind, pattern, meaning in _LASTING:
        found = re.search(pattern, said)
        if found is not None:
            what = (found.group(1) or "") if "{}" in meaning else ""
            sentence = meaning.replace("{}", what.upper())
            return Cause(f"{kind} {what}".strip(), f"Redis at {where} {sentence}")
    shown = " ".join(redact(text).split())[:200]
    sentence = f"Redis at {where} is unreachable ({name}: {shown})"
    return Cause("unreachable", sentence, is_lasting=False)
