"""What is kept of exceptions of libraries: no input and no secret, whatever their kind."""

from __future__ import annotations

import configparser
import contextlib
import enum
import http.client
import json
import smtplib
import sqlite3
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING, Any

import h11
import httpx
import httpx2
import pydantic
import pytest
import redis
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from starlette.exceptions import HTTPException

from fastapi_hybrid_breaker.core.error_text import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable


SECRET = "s3cret"  # noqa: S105


# -- kinds -------------------------------------------------------------------------------------


class Order(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    price: int
    notes: dict[str, int] = {}
    items: list[int] = []


class Color(enum.Enum):
    RED = 1


class Shade(enum.IntEnum):
    DARK = 1


def raised(fn: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:
        fn()
    return caught.value


def asked(library: Any) -> Any:
    return library.Request("GET", "https://u:s3cret@host/p?key=s3cret")


def put_header(name: str, value: str) -> None:
    connection = http.client.HTTPConnection("h")
    connection.putrequest("GET", "/")
    connection.putheader(name, value)


def run_statement(statement: str) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute(statement)


KINDS: list[tuple[Callable[[], object], str]] = [
    (
        lambda: Order.model_validate({"price": SECRET, "items": [1, SECRET], SECRET: 1}),
        (
            "ValidationError: 3 errors: int_parsing at price, int_parsing at items.1,"
            " extra_forbidden at ***"
        ),
    ),
    (
        lambda: Order.model_validate({"price": 1, "notes": {SECRET: SECRET}}),
        "ValidationError: 1 error: int_parsing at notes.***",
    ),
    (
        lambda: Order.model_validate_json(SECRET),
        "ValidationError: 1 error: json_invalid at the whole",
    ),
    (lambda: int(SECRET), "ValueError: invalid literal for int() with base 10: '***'"),
    (
        lambda: int(SECRET.encode()),
        "ValueError: invalid literal for int() with base 10: b'***'",
    ),
    (
        lambda: put_header("X-Api-Key", f"{SECRET}\nx"),
        "ValueError: Invalid header value b'***'",
    ),
    (
        lambda: http.client.HTTPConnection(f"u:{SECRET}"),
        "InvalidURL: nonnumeric port: '***'",
    ),
    (
        lambda: configparser.ConfigParser().read_string(f"{SECRET}\n"),
        "MissingSectionHeaderError: File contains no section headers.",
    ),
    (lambda: float(SECRET), "ValueError: could not convert string to float: '***'"),
    (lambda: Color(SECRET), "ValueError: *** is not a valid Color"),
    (lambda: Shade(4111 + len(SECRET)), "ValueError: *** is not a valid Shade"),
    (lambda: datetime.fromisoformat(SECRET), "ValueError: Invalid isoformat string: '***'"),
    (
        lambda: datetime.strptime(f"2020{SECRET}", "%Y"),  # noqa: DTZ007
        "ValueError: unconverted data remains: ***",
    ),
    (
        lambda: json.loads('{"s3cret'),
        "JSONDecodeError: Unterminated string starting at: line 1 column 2 (char 1)",
    ),
    (b"s3cret\xff".decode, "UnicodeDecodeError: utf-8: invalid start byte at 6"),
    (lambda: "s3crét".encode("ascii"), "UnicodeEncodeError: ascii: ordinal not in range(128) at 4"),
    (lambda: {}[SECRET], "KeyError"),
    (
        lambda: open(f"/nowhere/{SECRET}"),  # noqa: PTH123, SIM115
        "FileNotFoundError: [Errno 2] No such file or directory",
    ),
    (
        lambda: subprocess.run(["false", SECRET], check=True),  # noqa: S607
        "CalledProcessError: exit status 1",
    ),
    (
        lambda: run_statement(f"select '{SECRET}"),
        "OperationalError: unrecognized token: ***",
    ),
]


@pytest.mark.parametrize(("fn", "text"), KINDS, ids=[text for _, text in KINDS])
def test_an_error_is_explained_without_the_input_it_is_about(
    fn: Callable[[], object], text: str
) -> None:
    error = raised(fn)
    assert describe_error(error) == text


class OwnError(httpx.ReadTimeout):
    """A class of a user's, of a kind that is known."""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            httpx.ConnectError("refused", request=asked(httpx)),
            "ConnectError: refused (GET https://***@host/p?key=***)",
        ),
        (
            httpx2.ReadTimeout("", request=asked(httpx2)),
            "ReadTimeout: GET https://***@host/p?key=***",
        ),
        (OwnError("", request=asked(httpx)), "OwnError: GET https://***@host/p?key=***"),
        (httpx.ConnectError("refused"), "ConnectError: refused"),
        (
            httpx.HTTPStatusError(
                "s3cret", request=asked(httpx), response=httpx.Response(503, text=SECRET)
            ),
            "HTTPStatusError: status 503, GET https://***@host/p?key=***",
        ),
        (
            httpx.LocalProtocolError("Illegal header value b's3cret\\n'", request=asked(httpx)),
            "LocalProtocolError: Illegal header value b'***' (GET https://***@host/p?key=***)",
        ),
        (
            httpx2.RemoteProtocolError("line: bytearray(b'x s3cret')", request=asked(httpx2)),
            "RemoteProtocolError: line: bytearray(b'***') (GET https://***@host/p?key=***)",
        ),
        (
            httpx.LocalProtocolError('Illegal header name b"it\'s s3cret"'),
            'LocalProtocolError: Illegal header name b"***"',
        ),
        (
            h11.LocalProtocolError("Illegal header value b's3cret '"),
            "LocalProtocolError: Illegal header value b'***'",
        ),
        (
            smtplib.SMTPAuthenticationError(535, b"s3cret is wrong"),
            "SMTPAuthenticationError: (535, b'***')",
        ),
        (raised(lambda: httpx.URL("http://h:s3cret/")), "InvalidURL: Invalid port: '***'"),
        (
            RequestValidationError([{"type": "missing", "loc": ("body", "a", 0), "input": SECRET}]),
            "RequestValidationError: 1 error: missing at body.a.0",
        ),
        (
            ResponseValidationError([{"type": "missing", "loc": ("response",), "input": SECRET}]),
            "ResponseValidationError: 1 error: missing at response",
        ),
        (HTTPException(502, {"token": SECRET}), "HTTPException: 502: {'token': ***}"),  # type: ignore[arg-type]
        (
            redis.ResponseError("unknown command 'X', with args beginning with: 's3cret'"),
            "ResponseError: unknown command '***', with args beginning with: '***'",
        ),
        (ConnectionRefusedError(111, "refused"), "ConnectionRefusedError: [Errno 111] refused"),
        (OSError("token=s3cret"), "OSError: token=***"),
        (TimeoutError(), "TimeoutError"),
    ],
    ids=str,
)
def test_an_error_of_a_library_is_explained_without_secrets(error: Exception, text: str) -> None:
    assert describe_error(error) == text


class Driver(Exception):
    pass


class DatabaseError(Driver):
    """As every driver of a database has it."""


class IntegrityError(DatabaseError):
    pass


class DBAPIError(Exception):
    """As SQLAlchemy has it."""

    def __init__(self, orig: BaseException | None) -> None:
        super().__init__("(Driver) x\n[SQL: insert 's3cret']\n[parameters: ('s3cret',)]")
        self.orig = orig


@pytest.mark.parametrize(
    ("orig", "text"),
    [
        (None, "DBAPIError: (Driver) x "),
        (
            IntegrityError("duplicate key 's3cret'\nDETAIL: Key (a)=(s3cret)"),
            "DBAPIError: IntegrityError: duplicate key '***'",
        ),
    ],
)
def test_statements_and_their_parameters_are_left_out(
    orig: BaseException | None, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type("DBAPIError", (type("SQLAlchemyError", (DBAPIError,), {}),), {})
    for one in kind.__mro__[:2]:
        one.__module__ = "sqlalchemy.exc"
    assert describe_error(kind(orig)) == text


def test_an_error_of_a_known_name_and_another_form_raises_nothing() -> None:
    kind = type("ValidationError", (Exception,), {"__module__": "pydantic"})
    assert describe_error(kind("s3cret")) == "ValidationError (its text cannot be had)"
