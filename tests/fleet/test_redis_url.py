"""What a Redis URL or a client brings along: refused at once and by name, or without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.fleet.connection import Source

from .instances import CONFIG, fail, settled, until

if TYPE_CHECKING:
    from .server import Server

pytestmark = pytest.mark.usefixtures("unhurried_answers")

KEY = "büro: \N{EURO SIGN} \N{GRINNING FACE}"

SECRET = "hunter2"  # noqa: S105 - looked for, to be found nowhere


@pytest.mark.parametrize("decode_responses", [False, True])
@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-16", "utf-8-sig", "cp037"])
async def test_a_client_with_another_encoding_wrote_other_keys(
    server: Server, encoding: str, decode_responses: bool
) -> None:
    client = redis.asyncio.Redis(
        port=server.port,
        encoding=encoding,
        encoding_errors="replace",
        decode_responses=decode_responses,
    )
    odd = HybridBreaker(redis=client, defaults=CONFIG)
    plain = HybridBreaker(redis=server.url, defaults=CONFIG)
    async with odd, plain:
        for breaker in (odd, plain):
            breaker.circuit(KEY)
        await settled(odd, plain)
        await fail(odd, KEY)
        await until(lambda: plain.state(KEY) == "OPEN")
        assert await plain.reset(KEY) == "fleet"
        await until(lambda: odd.state(KEY) == "CLOSED")
        names: Any = server.ask.keys("*")
        assert f"circuit:{KEY}" in names
        assert all(name.startswith("circuit") for name in names)
        await until(lambda: odd.sync_status().state == "connected")
        assert odd.sync_status().dropped == 0
    await client.aclose()


async def test_a_url_with_another_encoding_wrote_other_keys(server: Server) -> None:
    url = f"{server.url}?encoding=utf-16&decode_responses=yes&protocol=3&socket_timeout=0.5"
    async with HybridBreaker(redis=url, defaults=CONFIG) as breaker:
        await fail(breaker, KEY)
        await settled(breaker)
        assert server.hash(KEY)["state"] == "OPEN"


WRONG = [
    ("rediss://h?ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs must be none, optional or required"),
    ("rediss://h?ssl_cert_reqs=", "ssl_cert_reqs must be none, optional or required"),
    ("rediss://h?ssl_check_hostname=maybe", "ssl_check_hostname must be yes or no"),
    ("rediss://h?ssl_min_version=TLSv1.2", "ssl_min_version must be 771"),
    ("rediss://h?ssl_min_version=1", "ssl_min_version must be 771"),
    ("rediss://h?ssl_ca_certs=", "ssl_ca_certs must be text"),
    ("rediss://h?ssl_include_verify_flags=NO_SUCH", "cannot be used here: ssl_include_verify"),
    ("redis://h?ssl_cert_reqs=none", "ssl_cert_reqs needs TLS: write rediss://"),
    ("redis://h?protocol=4", "protocol must be 2 or 3"),
    ("redis://h?protocol=three", "protocol must be 2 or 3"),
    ("redis://h?retry=3", "unknown: retry"),
    ("redis://h?retry_on_error=x", "unknown: retry_on_error"),
    ("redis://h?timeout=3", "unknown: timeout"),
    ("redis://h?host=other", "unknown: host"),
    ("redis://h?parser_class=x", "unknown: parser_class"),
    ("redis://h?credential_provider=x", "unknown: credential_provider"),
    ("redis://h?redis_connect_func=x", "unknown: redis_connect_func"),
    ("redis://h?=1", "unknown: ''"),
    ("redis://h?db=x", "db must be a whole number from 0"),
    ("redis://h/1?db=2", "db is given twice"),
    ("redis://h?db=-1", "db must be a whole number from 0"),
    ("redis://h?db=1_0", "db must be a whole number from 0"),
    ("redis://h/\u0661", "the database's number"),
    ("redis://h?socket_timeout=nan", "socket_timeout must be a number of seconds"),
    ("redis://h?socket_timeout=1s", "socket_timeout must be a number of seconds"),
    ("redis://h?max_connections=0", "max_connections must be a whole number from 1"),
    ("redis://h?max_connections=many", "max_connections must be a whole number from 1"),
    ("redis://h?socket_keepalive=perhaps", "socket_keepalive must be yes or no"),
    ("redis://h?decode_responses=utf-8", "decode_responses must be yes or no"),
    ("redis://h?client_name=a&client_name=b", "client_name is given twice"),
    ("redis://h?client_name=%00", "client_name must be printable ASCII without spaces"),
    ("redis://h?client_name=my%20service", "client_name must be printable ASCII without spaces"),
    ("redis://h?client_name=a%0Ab", "client_name must be printable ASCII without spaces"),
    ("redis://h?client_name=caf%C3%A9", "client_name must be printable ASCII without spaces"),
    ("redis://h:0/1", "its port must be a whole number from 1"),
    ("rediss://me:secret@h:000", "its port must be a whole number from 1"),
    ("redis://h :6379", "its host cannot be a name"),
    ("redis:// h:6379/0", "its host cannot be a name"),
    ("redis://h%00:6379", "its host cannot be a name"),
    ("redis://redis..svc:6379", "its host cannot be a name"),
    (f"redis://{'a' * 64}.svc:6379", "its host cannot be a name"),
    (f"redis://:{SECRET}?x=1@h", "write .* in a user name or password as %3F"),
    (f"redis://:{SECRET}#x@h", "write .* in a user name or password as %3F"),
    (f"redis://h?protocol={SECRET}", "protocol must be 2 or 3"),
]


@pytest.mark.parametrize(("url", "said"), WRONG, ids=[url[:40] for url, _ in WRONG])
def test_an_option_of_a_url_that_could_never_work_was_found_at_each_connection(
    url: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=rf"^redis must be a Redis URL: .*{said}") as caught:
        HybridBreaker(redis=url)
    monkeypatch.setenv("CIRCUIT_REDIS_URL", url)
    with pytest.raises(ValueError, match=rf"^CIRCUIT_REDIS_URL .*{said}") as named:
        HybridBreaker()
    for error in (caught.value, named.value):
        assert SECRET not in str(error)
        assert error.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:p%40ss@h:6379/3?client_name=me&socket_keepalive=yes&health_check_interval=30",
        "redis://h?decode_responses=True&encoding=latin-1&max_connections=10&protocol=3&db=5",
        "redis://h/5?protocol=2&client_name=me@here",
        "rediss://h?ssl_cert_reqs=none&ssl_check_hostname=no&ssl_min_version=772",
        "rediss://h?ssl_ca_certs=/etc/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem",
        "unix:///run/redis.sock?db=1&password=x",
        "redis://[::1]:6379",
        "redis://[fe80::1%25eth0]:6379",
        "redis://b\u00fccher.example:6379",
        "redis://my_redis.svc.cluster.local.:6379",
        f"redis://{'a' * 63}:6379",
        " redis://h:6379\n",
        "redis://",
    ],
)
def test_an_option_that_can_work_is_taken(url: str) -> None:
    assert str(Source(url))


async def test_a_client_for_a_host_that_cannot_be_a_name_was_an_internal_error() -> None:
    breaker = HybridBreaker(redis=redis.asyncio.Redis(host="redis..svc"))
    async with breaker:
        status = breaker.sync_status()
        assert status.state == "isolated"
        assert "unreachable" in str(status.error)
