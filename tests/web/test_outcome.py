"""The route's row of the outcome table, without a server."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from fastapi_hybrid_breaker import CircuitConfig
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.web.outcome import (
    SWITCHED,
    error_of_application,
    outcome_of_status,
)

from .bench import FAILURE, NOT_COUNTED, SUCCESS


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (None, NOT_COUNTED),
        (SWITCHED, SUCCESS),
        (200, SUCCESS),
        (399, SUCCESS),
        (400, SUCCESS),
        (401, NOT_COUNTED),
        (402, SUCCESS),
        (403, NOT_COUNTED),
        (404, SUCCESS),
        (405, NOT_COUNTED),
        (408, NOT_COUNTED),
        (409, SUCCESS),
        (410, SUCCESS),
        (412, SUCCESS),
        (413, NOT_COUNTED),
        (415, NOT_COUNTED),
        (422, NOT_COUNTED),
        (423, SUCCESS),
        (425, NOT_COUNTED),
        (428, NOT_COUNTED),
        (451, SUCCESS),
        (429, NOT_COUNTED),
        (499, NOT_COUNTED),
        (500, FAILURE),
        (599, FAILURE),
    ],
)
def test_the_status_decides(status: int | None, outcome: Outcome) -> None:
    assert outcome_of_status(CircuitConfig(), status, rejected=False) is outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, SUCCESS), (404, SUCCESS), (500, FAILURE), (502, FAILURE), (503, NOT_COUNTED)],
)
def test_a_rejection_inside_takes_the_failure_from_a_503_only(
    status: int, outcome: Outcome
) -> None:
    assert outcome_of_status(CircuitConfig(), status, rejected=True) is outcome


@pytest.mark.parametrize(
    ("status", "outcome"), [(429, FAILURE), (500, NOT_COUNTED), (200, SUCCESS), (404, SUCCESS)]
)
def test_failure_statuses_replace_the_5xx(status: int, outcome: Outcome) -> None:
    config = CircuitConfig(failure_statuses=frozenset({429}))
    assert outcome_of_status(config, status, rejected=False) is outcome


@pytest.mark.parametrize(
    "error", [ClientDisconnect(), WebSocketDisconnect(1001), asyncio.CancelledError()]
)
def test_a_client_that_leaves_is_no_error_of_the_application(error: BaseException) -> None:
    assert error_of_application(error, ()) is None
    group = BaseExceptionGroup("both", [error, BaseExceptionGroup("inner", [error])])
    assert error_of_application(group, ()) is None


def test_an_error_beside_a_leaving_client_is_kept() -> None:
    bug = ValueError("bug")
    group = ExceptionGroup("both", [ClientDisconnect(), bug])
    rest = error_of_application(group, ())
    assert isinstance(rest, ExceptionGroup)
    assert rest.exceptions == (bug,)


def test_an_error_of_the_servers_send_is_leaving_and_another_of_its_kind_is_not() -> None:
    sent = BrokenPipeError()
    assert error_of_application(sent, (OSError(), sent)) is None
    other = BrokenPipeError()
    assert error_of_application(other, (sent,)) is other
