"""The line of log that each change of a circuit leaves: what changed, who decided it, and why."""

from __future__ import annotations

import logging

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitState
from fastapi_hybrid_breaker.core.evidence import Evidence
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.override import OverrideKind, OverrideNews, OverrideView
from fastapi_hybrid_breaker.core.states import Cause
from tests.inside import FleetSide

from .parts import trip

OPEN = CircuitState.OPEN


@pytest.fixture
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fastapi_hybrid_breaker")


pytestmark = pytest.mark.usefixtures("_logged")


def test_what_was_decided_here_names_its_cause(
    circuit: Circuit, caplog: pytest.LogCaptureFixture
) -> None:
    trip(circuit)
    assert caplog.messages == [
        "circuit inventory-api: CLOSED -> OPEN (failures): 2 failures in a row; BrokenError"
    ]


def test_what_another_instance_decided_names_that(
    circuit: Circuit, caplog: pytest.LogCaptureFixture
) -> None:
    why = Evidence(cause=Cause.FAILURES, rule="5 failures in a row")
    FleetSide(circuit).adopt(News(1, "b", OPEN, 5, 0, remaining=60.0, evidence=why))
    assert caplog.messages == [
        "circuit inventory-api: CLOSED -> OPEN (by instance b): 5 failures in a row"
    ]


def test_what_an_operator_did_elsewhere_names_both(
    circuit: Circuit, caplog: pytest.LogCaptureFixture
) -> None:
    view = OverrideView(OverrideKind.FORCED_OPEN, "ann", "a migration", None)
    FleetSide(circuit).adopt_override(OverrideNews(1, "b", view))
    FleetSide(circuit).adopt_override(OverrideNews(2, "c", None, "bob", "it is done"))
    start = "circuit inventory-api: "
    assert caplog.messages == [
        f"{start}CLOSED -> OPEN (override, by instance b): forced_open; a migration",
        f"{start}OPEN -> CLOSED (override_ended, by instance c): it is done",
    ]
