"""Files and options for TLS that cannot be used: which it is, where no connection can be made."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import redis.asyncio
from redis.asyncio.sentinel import Sentinel

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.cli.errors import Exit
from fastapi_hybrid_breaker.fleet.connection import Source, UnusableError
from tests.cli.command import run

from .instances import until
from .server import free_port

if TYPE_CHECKING:
    from pathlib import Path

# Keys that are used nowhere else.
KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyz8Qt1DAWI+jB77b
hg3KAoqUSL2TwVbiiuroci5z3RmhRANCAATIF704SBcazsh5ttw/q3a05bevgVLl
uoc2EMN5ML8Jxvs8uWsDJXS3R9iwIy9nWD7kwHI3Km2yA+A476Zf81p2
-----END PRIVATE KEY-----
"""

OTHER_KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVd1sPSZ6bzooZUxi
j+neoZIWLh5gJ+PmyP+cLhiR376hRANCAAQOcnTjdJO8EaT6Xv8yncDIeJcXBO58
lnJkbvMvQW2gJDJD/VDTzSBzRBRxrUdWtdDHDqqfzUAsGZNLV4TIlnx6
-----END PRIVATE KEY-----
"""

LOCKED_KEY = """-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgZPA9NgK0RawICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEOG/18fp1jcWSvFCShTJ8/4EgZDL
fJM0buBGXikKaOoGyJVj1iPgfBFPQiyssgk2P9QA1rQFLWWnIyYFBHIuKDplg/FV
FCp8GhIX3STuh62DJz4/AoE5TLItGVLchwa/as5Iyu1/x4/aGm8lJqFSgaTQ7DrY
TvX+WoF4VRR12+e6tRwtt047YhKe8vUfJWQ8yqJ/hpV6MBajCIYsqWHm1GCm0C4=
-----END ENCRYPTED PRIVATE KEY-----
"""

CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBcDCCARWgAwIBAgIUfijxLa5Ozk89nh5z5lZDIe3gz2MwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAgFw0yNjEyMDExMzQ1MDZaGA8yMTI2MTEwNzEzNDUwNlow
DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMgXvThIFxrO
yHm23D+rdrTlt6+BUuW6hzYQw3kwvwnG+zy5awMldLdH2LAjL2dYPuTAcjcqbbID
4Djvpl/zWnajUzBRMB0GA1UdDgQWBBR4PqkA5r97qjCCS4z+pbSV0KTbQDAfBgNV
HSMEGDAWgBR4PqkA5r97qjCCS4z+pbSV0KTbQDAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0kAMEYCIQDgRiT00U43C59liB6xkiji0oV2MzOka+0Z08Sw9aRL
9AIhAKh5T+nUaJa1WCWImnfcYiLbRdPyhv3BS+bgvZKVf8ej
-----END CERTIFICATE-----
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    contents = {
        "key": KEY,
        "other-key": OTHER_KEY,
        "locked-key": LOCKED_KEY,
        "certificate": CERTIFICATE,
        "both-locked": CERTIFICATE + LOCKED_KEY,
        "junk": "junk",
        "empty": "",
    }
    for name, text in contents.items():
        (tmp_path / f"{name}.pem").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "ssl_ca_certs={at}/none.pem",
            "ssl_ca_certs cannot be read (No such file or directory)",
        ),
        ("ssl_ca_certs={at}", "ssl_ca_certs cannot be read (Is a directory): {at}"),
        ("ssl_ca_certs={at}/junk.pem", "ssl_ca_certs holds no certificates"),
        ("ssl_ca_certs={at}/empty.pem", "ssl_ca_certs holds no certificates"),
        ("ssl_ca_path={at}/none", "ssl_ca_path cannot be read (No such directory): {at}/none"),
        ("ssl_ca_data=junk", "ssl_ca_data holds no certificates"),
        (
            "ssl_certfile={at}/none.pem&ssl_keyfile={at}/key.pem",
            "ssl_certfile cannot be read (No such file or directory): {at}/none.pem",
        ),
        (
            "ssl_certfile={at}/certificate.pem&ssl_keyfile={at}/none.pem",
            "ssl_keyfile cannot be read (No such file or directory): {at}/none.pem",
        ),
        (
            "ssl_certfile={at}/certificate.pem&ssl_keyfile={at}/other-key.pem",
            "ssl_certfile and ssl_keyfile cannot be used (KEY_VALUES_MISMATCH)",
        ),
        (
            "ssl_certfile={at}/certificate.pem&ssl_keyfile={at}/locked-key.pem&ssl_password=hunter2",
            "ssl_certfile and ssl_keyfile and ssl_password cannot be used",
        ),
        (
            "ssl_certfile={at}/certificate.pem&ssl_keyfile={at}/locked-key.pem",
            "ssl_keyfile cannot be read (its key is encrypted; set ssl_password)",
        ),
        (
            "ssl_certfile={at}/both-locked.pem",
            "ssl_certfile cannot be read (its key is encrypted; set ssl_password)",
        ),
        ("ssl_certfile={at}/certificate.pem", "ssl_certfile cannot be used"),
        ("ssl_keyfile={at}/key.pem", "ssl_keyfile needs ssl_certfile"),
        ("ssl_ciphers=NONE-OF-THESE", "ssl_ciphers names no cipher"),
    ],
)
async def test_an_option_for_tls_that_cannot_be_used_was_not_named(
    options: str, said: str, files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "fastapi_hybrid_breaker")
    url = f"rediss://127.0.0.1:{free_port()}/0?{options.format(at=files)}"
    async with HybridBreaker(redis=url) as breaker:
        await until(lambda: said.format(at=files) in (breaker.sync_status().error or ""))
        assert breaker.health().status == "degraded"
    lines = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert [one.levelno for one in lines] == [logging.ERROR]
    assert "hunter2" not in caplog.text


async def test_files_that_can_be_used_are_not_blamed_for_a_server_that_is_away(
    files: Path,
) -> None:
    at = f"{files}/certificate.pem"
    url = f"rediss://127.0.0.1:{free_port()}/0?ssl_ca_certs={at}&ssl_certfile={at}"
    async with HybridBreaker(redis=f"{url}&ssl_keyfile={files}/key.pem") as breaker:
        await until(lambda: "is unreachable" in (breaker.sync_status().error or ""))


def test_a_file_of_the_sentinels_is_named_as_well(files: Path) -> None:
    gone = str(files / "none.pem")
    sentinel = Sentinel([("127.0.0.1", 1)], sentinel_kwargs={"ssl": True, "ssl_ca_certs": gone})
    fault = Source(sentinel.master_for("main")).tls_fault(TimeoutError())
    assert fault is not None
    assert fault.startswith("ssl_ca_certs cannot be read")


def test_an_encrypted_key_of_the_sentinels_is_not_asked_about_on_the_terminal(files: Path) -> None:
    at = {"ssl_certfile": files / "certificate.pem", "ssl_keyfile": files / "locked-key.pem"}
    kwargs = {"ssl": True, **{name: str(path) for name, path in at.items()}}
    sentinel = Sentinel([("127.0.0.1", 1)], sentinel_kwargs=kwargs)
    with pytest.raises(UnusableError, match="its key is encrypted; set ssl_password"):
        Source(sentinel.master_for("main")).refuse_locked_key()


@pytest.mark.parametrize("options", ["&ssl_keyfile={at}/key.pem", "&ssl_keyfile={at}/none.pem", ""])
@pytest.mark.parametrize("password", ["", "&ssl_password=hunter2"])
def test_only_an_encrypted_key_without_a_password_is_refused(
    files: Path, options: str, password: str
) -> None:
    at = f"rediss://127.0.0.1:1/0?ssl_certfile={files}/certificate.pem{password}"
    Source(at + options.format(at=files)).refuse_locked_key()
    if password:
        Source(f"{at}&ssl_keyfile={files}/locked-key.pem").refuse_locked_key()


def test_the_command_line_does_not_ask_for_the_password_of_a_key(files: Path) -> None:
    key = files / "locked-key.pem"
    url = f"rediss://127.0.0.1:1/0?ssl_certfile={files}/certificate.pem&ssl_keyfile={key}"
    ended = run("show", "inventory-api", "--redis", url, COLUMNS="500")
    assert ended.code == Exit.NO_REDIS
    assert "its key is encrypted; set ssl_password" in ended.err


@pytest.mark.parametrize("name", ["my service", "caf\xe9", "a\nb", b"a b", "\x00"])
def test_a_client_whose_name_no_server_takes_was_isolated_for_ever(name: str) -> None:
    with pytest.raises(ValueError, match="client_name must be printable ASCII without spaces"):
        HybridBreaker(redis=redis.asyncio.Redis(client_name=name))
    # Only the connections to the sentinels are called so.
    sentinel = Sentinel([("127.0.0.1", 1)], sentinel_kwargs={"client_name": name})
    with pytest.raises(ValueError, match="client_name must be printable ASCII without spaces"):
        HybridBreaker(redis=sentinel.master_for("main"))


@pytest.mark.parametrize("name", [None, "", "shop", "shop@host:1", b"me", 5])
def test_a_client_with_another_name_is_taken(name: str | None) -> None:
    assert HybridBreaker(redis=redis.asyncio.Redis(client_name=name)).sync_status().sent == 0
