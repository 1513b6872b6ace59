"""What is kept of an exception: enough to explain an opening, and no secret or input of anybody."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import itertools
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitState, HybridBreaker
from fastapi_hybrid_breaker.core.error_text import LONGEST_ERROR, describe_error
from fastapi_hybrid_breaker.core.redaction import mask_quoted, redact

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "s3cret"  # noqa: S105


# -- texts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://ann:s3cret@host/x?api_key=s3cret", "https://***@host/x?api_key=***"),
        ("https://s3cret@host/x", "https://***@host/x"),
        ("GET http://h?k=s3cret failed", "GET http://h?k=*** failed"),
        ("http://h/x?a=1&k=s3cret&s3cret#s3cret", "http://h/x?a=***&k=***&***#***"),
        ("http://h/?s3cret", "http://h/?***"),
        ("HTTPS://ANN:s3cret@H/ and amqp://u:s3cret@h", "HTTPS://***@H/ and amqp://***@h"),
        ("mongodb://u:s3cret@a:1,b:2/db", "mongodb://***@a:1,b:2/db"),
        ("redis://:s3cret@h:6379/0", "redis://***@h:6379/0"),
        ("postgresql+asyncpg://u:s3cret/x@h/db", "postgresql+asyncpg://***@h/db"),
        ("postgresql://u:a@s3cret/x@h/db", "postgresql://***@h/db"),
        ("postgresql://u:12/s3cret@h/db", "postgresql://***@h/db"),
        ("postgresql://u:s3cret#1?@h/db", "postgresql://***@h/db"),
        ("from string 'postgres://u:my s3cret@h/db'", "from string 'postgres://***@h/db'"),
        ("postgres://u:s3cret", "postgres://***"),
        ("http://u:s3cret@[::1]:80/", "http://***@[::1]:80/"),
        ("http://h/x?next=http://u:s3cret@i", "http://h/x?next=***"),
        ("http://h/bot123456:AAs3cretAAAAAAAAA/send", "http://h/***/send"),
        ("url: /path?api_key=s3cret (Caused by X)", "url: /path?api_key=*** (Caused by X)"),
        ("jdbc:x://h/db?user=a&password=s3cret", "jdbc:x://h/db?user=***&password=***"),
        ("app:s3cret@tcp(db:3306)/x", "***@tcp(db:3306)/x"),
        ("host=db password=s3cret port=1", "host=db password=*** port=1"),
        ("host=db password='s3 \\'s3cret' port=1", "host=db password=*** port=1"),
        ("Server=db;Password=my s3cret;Port=1", "Server=db;Password=***;Port=***"),
        ("AccountName=x;AccountKey=s3cret==", "AccountName=x;AccountKey=***"),
        ("{'password': 's3cret', 'n': 1}", "{'password': ***, 'n': 1}"),
        ('{"x-api-key":"s3cret","n":1}', '{"x-api-key":***,"n":1}'),
        ("Authorization: Bearer s3cret", "Authorization: ***"),
        ("sent Bearer s3cret", "sent Bearer ***"),
        ("Cookie: a=s3cret; b=s3cret", "Cookie: ***"),
        ("--db-password s3cret x", "--db-password *** x"),
        ("Incorrect key: sk-s3cret12345", "Incorrect key: ***"),
        ("got eyJhbGciOi.eyJs3cret.s3cret", "got ***"),
        ("-----BEGIN RSA PRIVATE KEY-----\ns3cret", "***"),
        ("Key (mail)=(s3cret) exists", "Key (mail)=(***) exists"),
        ("[('X-Api-Key', 's3cret'), ('a', 'b')]", "[('X-Api-Key', ***), ('a', 'b')]"),
        ("(b'authorization', b'Basic s3cret')", "(b'authorization', ***)"),
        (
            "<a><ns:Password type='x'>s3cret</ns:Password></a>",
            "<a><ns:Password type='x'>***</ns:Password></a>",
        ),
        ("<apiKey>s3cret</apiKey> refused", "<apiKey>***</apiKey> refused"),
        ("secret key: s3cret", "secret key: ***"),
        ("user 'ann' with password 's3cret' refused", "user 'ann' with password *** refused"),
        ("Incorrect API key provided: s3cret.", "Incorrect API key provided: ***"),
    ],
    ids=str,
)
def test_secrets_in_a_text_are_redacted(text: str, left: str) -> None:
    assert redact(text) == left
    assert describe_error(RuntimeError(text)) == f"RuntimeError: {left}".replace("\n", " ")


@pytest.mark.parametrize(
    "text",
    [
        "All connection attempts failed",
        "Connect call failed ('127.0.0.1', 6379)",
        "Error 111 connecting to localhost:6379. Connection refused.",
        "for url 'https://host:8080/a/b'",
        "http://host: timed out",
        "see https://docs.example.com/a.html.",
        "https://host/users/@me",
        "http://h/orders/6f1c2a4e-6a0f-4a53-9d3d-0a1b2c3d4e5f",
        "unsupported operand type(s) for +: 'int' and 'str'",
        "f() missing 3 required positional arguments: 'token', 'user', and 'host'",
        "<Secret object at 0x7f> is not <Other>",
        "unexpected token '<' at 3",
        "ann@example.com is unknown",
        "status: 503, took 1:30",
    ],
)
def test_what_explains_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "-" * 1_999,
        "--a" * 660,
        "_" * 1_998 + "'",
        "x" * 1_999 + "=",
        "password" * 249 + " :",
        "--secret" * 249,
        "<secret" * 280,
        "<token " * 280,
        "('api-key" * 220,
        "'\\" * 999,
        "u:" * 999,
        "token=" * 333,
    ],
    ids=lambda text: text[:9],
)
def test_an_error_with_a_long_line_stopped_the_event_loop_for_seconds(text: str) -> None:
    begin = time.thread_time()
    redact(text)
    mask_quoted(text)
    # The processor's time of this thread alone, and a hundred times what it takes.
    assert time.thread_time() - begin < 0.9


@pytest.mark.parametrize("size", [150, 1990, 1999, 2000, 2100, 100_000])
def test_a_secret_does_not_show_where_a_text_is_cut(size: int) -> None:
    for text in (f"at https://u:s3cret{'x' * size}@host", f"{'x ' * size}https://u:s3cret@host"):
        said = describe_error(RuntimeError(text))
        assert SECRET not in said
        assert len(said) <= LONGEST_ERROR


# -- the configuration -------------------------------------------------------------------------


class Wrong:
    def __call__(self, error: BaseException) -> Any:
        raise RuntimeError(SECRET)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("type", "ValueError"),
        ("text", "ValueError: no"),
        (lambda error: f"<{error}>", "<no>"),
        (lambda _: "a\nb\x1b[31m", "a b [31m"),
        (lambda _: "x" * 500, "x" * LONGEST_ERROR),
        (lambda _: "", ""),
        (lambda _: None, "ValueError"),
        (lambda _: b"s3cret", "ValueError"),
        (Wrong(), "ValueError"),
    ],
    ids=itertools.count(),
)
def test_users_decide_what_is_kept(how: Any, text: str) -> None:
    assert CircuitConfig(describe_error=how).describe_error is how
    assert describe_error(ValueError("no"), how) == text
    assert describe_error("status 503", how) == "status 503"


async def wait(_: BaseException) -> str:
    return ""


class Waiting:
    async def __call__(self, _: BaseException) -> str:
        return ""


@pytest.mark.parametrize("how", ["Text", "", "repr"])
def test_another_word_is_refused(how: Any) -> None:
    wanted = "describe_error must be 'type', 'text' or a function"
    with pytest.raises(ValueError, match=wanted):
        CircuitConfig(describe_error=how)


@pytest.mark.parametrize("how", [None, 7, True, b"text", ["text"], wait, Waiting(), ValueError])
def test_what_cannot_describe_is_refused(how: Any) -> None:
    with pytest.raises(TypeError, match="describe_error must be 'type', 'text' or a function"):
        CircuitConfig(describe_error=how)


def test_a_text_that_is_too_long_is_kept_up_to_the_end_of_a_word() -> None:
    words = describe_error(RuntimeError("beginning " * 500))
    assert words.startswith("RuntimeError: beginning beginning")
    assert describe_error(RuntimeError("x" * 5_000)) == "RuntimeError"


# -- what is raised instead of a text --------------------------------------------------------------


class Untold(Exception):
    """Its text raises what it was made with, or what a call of that raises."""

    def __str__(self) -> str:
        what = self.args[0]
        raise (what() or AssertionError) if callable(what) else what


class Panic(BaseException):
    """As libraries in other languages raise it."""


LEAVES = [SystemExit(3), GeneratorExit(), asyncio.CancelledError(), Panic(), MemoryError()]


@pytest.mark.parametrize("what", LEAVES, ids=repr)
def test_a_text_that_raised_system_exit_ended_the_program(what: BaseException) -> None:
    def describe(_: BaseException) -> str:
        raise what

    assert describe_error(Untold(what)) == "Untold (its text cannot be had)"
    assert describe_error(ValueError("x"), describe) == "ValueError"


async def test_a_circuit_opens_though_the_text_of_its_error_raises_system_exit() -> None:
    breaker = HybridBreaker(redis=None, defaults=CircuitConfig(failure_threshold=1))

    async def call() -> None:
        raise Untold(SystemExit(3))

    with pytest.raises(Untold):
        await breaker.execute("x", call)
    assert breaker.state("x") is CircuitState.OPEN


class Worker:
    """Ends or interrupts what runs, as servers of applications and runners of jobs do."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, *_: object) -> None:
        raise self.error

    def abort(self, *_: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    "handler",
    [
        lambda *_: sys.exit(1),
        Worker(SystemExit(1)).abort,
        Worker(SystemExit(1)),
        functools.partial(Worker(Panic()).abort, 1),
        Worker(TimeoutError("soft limit")),
        signal.default_int_handler,
    ],
)
def test_a_signal_that_arrives_while_an_error_is_described_goes_through(
    handler: Callable[..., None],
) -> None:
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises((SystemExit, Panic, TimeoutError, KeyboardInterrupt)):
            describe_error(Untold(lambda: signal.raise_signal(signal.SIGUSR1)))
    finally:
        signal.signal(signal.SIGUSR1, before)


class OwnValueError(ValueError):
    """Of no library: its text is written by those who know what it quotes."""


def test_what_is_quoted_goes_where_the_standard_library_quotes_its_input() -> None:
    with pytest.raises(ipaddress.AddressValueError) as refusal:
        ipaddress.IPv4Address(SECRET)
    assert SECRET in str(refusal.value)
    assert describe_error(refusal.value) == "AddressValueError: Expected 4 octets in '***'"
    assert describe_error(OwnValueError("not 'ready'")) == "OwnValueError: not 'ready'"
