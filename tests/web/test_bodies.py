"""Bodies of requests: how much of them is read, and which orders they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastapi_hybrid_breaker import bearer_token
from fastapi_hybrid_breaker.web.bodies import LONGEST_BODY, OverrideOrder, parse_order

from .servers import raw_request, read_until, uvicorn_serving
from .test_admin_override import ORDER, PATH, PROBLEM, Admin, scope_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "0123456789abcdef"  # noqa: S105
EXACT = json.dumps(ORDER).encode().ljust(LONGEST_BODY)


class Sender:
    """Sends a body in chunks that have no end, and counts those that were taken."""

    def __init__(self, size: int) -> None:
        self.chunk = b"x" * size
        self.taken = 0
        self.answer: list[Any] = []

    async def receive(self) -> Any:
        self.taken += 1
        return {"type": "http.request", "body": self.chunk, "more_body": True}

    async def send(self, message: Any) -> None:
        self.answer.append(message)

    async def put(self, admin: Admin, *headers: tuple[bytes, bytes]) -> int:
        await admin.app(
            {**scope_of("PUT", PATH), "headers": list(headers)}, self.receive, self.send
        )
        return self.answer[0]["status"]


@pytest.mark.parametrize(("size", "most"), [(1024, 65), (65537, 1), (10_000_000, 1)])
async def test_a_body_without_a_length_is_read_up_to_the_limit(size: int, most: int) -> None:
    sender = Sender(size)
    assert await sender.put(Admin()) == 413
    assert sender.taken == most


@pytest.mark.parametrize("length", [b"65537", b"104857600", b"9" * 5000])
async def test_a_body_that_announces_too_much_is_not_read(length: bytes) -> None:
    sender = Sender(1)
    assert await sender.put(Admin(), (b"content-length", length)) == 413
    assert sender.taken == 0


@pytest.mark.parametrize("length", [b"1", b"", b"many", b"-5", b"\xb2"])
async def test_a_length_that_is_wrong_does_not_lift_the_limit(length: bytes) -> None:
    assert await Sender(1024).put(Admin(), (b"content-length", length)) == 413


async def test_auth_is_asked_before_a_body_is_found_too_large() -> None:
    sender = Sender(1024)
    assert await sender.put(Admin(bearer_token(SECRET)), (b"content-length", b"65537")) == 401
    assert sender.taken == 0


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", ["/circuits", "/circuits/x", PATH, "/circuits/-/health"])
async def test_paths_that_take_no_body_read_none(method: str, path: str) -> None:
    sender = Sender(1024)
    await Admin().app({**scope_of(method, path), "headers": []}, sender.receive, sender.send)
    assert sender.taken == 0


def test_the_limit_is_64_kib_and_the_answer_says_so() -> None:
    admin = Admin()
    assert admin.client.put(PATH, content=EXACT).status_code == 204
    refused = admin.client.put(PATH, content=EXACT + b" ")
    assert (refused.status_code, refused.headers["content-type"]) == (413, PROBLEM)
    assert "65536 bytes" in refused.json()["detail"]
    assert refused.headers["connection"] == "close"


def chunks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"10000\r\n" + b"x" * 65536 + b"\r\n"


@pytest.mark.parametrize("announced", ["Content-Length: 104857600", "Transfer-Encoding: chunked"])
def test_uvicorn_answers_a_huge_body_at_once(announced: str) -> None:
    head = f"PUT /circuits/x/-/override HTTP/1.1\n{announced}"
    with uvicorn_serving("tests.web.served_admin:app") as port:
        with raw_request(port, head, b"".join(chunks(2))) as connection:  # of 1,600
            assert b" 413 " in read_until(connection, b"at most 65536 bytes")


# -- orders ------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**308)
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(OverrideOrder.model_fields, VALUES)),
    st.dictionaries(st.text(), VALUES, max_size=2),
)
def test_whatever_a_body_holds_is_an_order_or_a_fault_with_a_text(
    known: dict[str, Any], more: dict[str, Any]
) -> None:
    try:
        order = parse_order(json.dumps(more | known).encode())
    except (TypeError, ValueError) as error:
        assert str(error)
    else:
        assert 0 < (order.seconds or 1) <= 31_622_400
        assert order.reason.isprintable()


@pytest.mark.parametrize("name", ["\ud800", "a\udfff", "\udc80kind"])
def test_a_name_with_half_of_a_letter_was_a_500(name: str) -> None:
    answer = Admin().client.put(PATH, content=json.dumps({**ORDER, name: 1}).encode())
    assert answer.status_code == 422
    assert "the body may have kind, reason, seconds, by, not" in answer.json()["detail"]


@pytest.mark.parametrize("depth", range(50, 1000, 50))
def test_a_value_of_any_depth_is_a_422(depth: int) -> None:
    body = b'{"kind": ' + b"[" * depth + b"]" * depth + b"}"
    assert Admin().client.put(PATH, content=body).status_code == 422
