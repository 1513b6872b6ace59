"""docs/telemetry.md says what there is, and its example works."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from opentelemetry.metrics import NoOpMeter
from prometheus_client.parser import text_string_to_metric_families

from fastapi_hybrid_breaker.core.states import Cause
from fastapi_hybrid_breaker.telemetry.instruments import Instruments
from tests.fleet.server import Server
from tests.web.servers import eventually, uvicorn_serving

from .served import DOCS

TABLE = re.findall(
    r"^\| `(circuit_breaker[\w.]+)` \| ([\w -]+) \| `([^`]+)` \| `(\w+)` \|", DOCS, re.MULTILINE
)


def test_the_example_tells_prometheus_over_http(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUIT_REDIS_URL", server.url)
    with (
        uvicorn_serving("tests.telemetry.served:app") as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", follow_redirects=True) as client,
    ):

        def scrape() -> list[Any]:
            answer = client.get("/metrics")
            assert answer.headers["content-type"].startswith("text/plain")
            families = text_string_to_metric_families(answer.text)
            return [
                sample
                for family in families
                for sample in family.samples
                if sample.name.startswith("circuit_")
            ]

        def value(name: str, **labels: str) -> float:
            wanted = {f"circuit_breaker_{label}": text for label, text in labels.items()}
            found = [
                sample.value
                for sample in scrape()
                if sample.name == f"circuit_breaker_{name}"
                and wanted.items() <= sample.labels.items()
            ]
            assert len(found) == 1, (name, labels, found)
            return float(found[0])

        assert client.get("/stock/a").json() == {"sku": "a"}
        for _ in range(3):
            assert client.get("/stock/broken").status_code == 502
        for _ in range(2):
            assert client.get("/stock/a").status_code == 503
        eventually(lambda: value("sync_connected") == 1 and value("sync_queue_length") == 0)
        key = "inventory-api"
        assert value("state", key=key, state="open") == 1
        assert value("state", key=key, state="closed") == 0
        assert value("calls_total", key=key, outcome="success") == 1
        assert value("calls_total", key=key, outcome="failure") == 3
        assert value("rejections_total", key=key) == 2
        assert value("changes_total", change_cause="failures", change_new="open") == 1
        assert value("call_duration_seconds_count", key=key, outcome="failure") == 3
        assert value("sync_sent_messages_total", namespace="circuit") > 0
        assert value("sync_corrections_total") == 0
        known = {name for *_, name in TABLE}
        told = {re.sub("_(bucket|sum|count|created)$", "", sample.name) for sample in scrape()}
        assert told <= known
        assert len(told) >= 10


class Noting(NoOpMeter):
    """A meter that notes which instruments are made."""

    def __init__(self) -> None:
        super().__init__("test")
        self.made: list[tuple[str, str, str]] = []

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Any:
        self.made.append((name, "counter", unit))
        return super().create_counter(name, unit, description)

    def create_histogram(self, name: str, unit: str = "", *args: Any, **more: Any) -> Any:
        self.made.append((name, "histogram", unit))
        return super().create_histogram(name, unit, *args, **more)

    def create_observable_counter(
        self, name: str, callbacks: Any = None, unit: str = "", description: str = ""
    ) -> Any:
        self.made.append((name, "counter", unit))
        return super().create_observable_counter(name, callbacks, unit, description)

    def create_observable_up_down_counter(
        self, name: str, callbacks: Any = None, unit: str = "", description: str = ""
    ) -> Any:
        self.made.append((name, "up-down counter", unit))
        return super().create_observable_up_down_counter(name, callbacks, unit, description)


def test_the_table_has_every_instrument_and_no_other() -> None:
    meter = Noting()
    Instruments(meter)
    assert sorted(meter.made) == sorted((name, kind, unit) for name, kind, unit, _ in TABLE)


def test_every_cause_is_named() -> None:
    (line,) = re.findall(r"\n- `circuit_breaker.change.cause`: (.*?)\n- ", DOCS, re.DOTALL)
    assert {cause.value for cause in Cause} == set(re.findall(r"`(\w+)`", line))


def test_the_alerts_ask_for_what_there_is() -> None:
    (rules,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    labels = {"circuit_breaker_" + name for name in ("namespace", "key", "state", "override_kind")}
    known = {name for *_, name in TABLE} | labels
    asked = {re.sub("_bucket$", "", name) for name in re.findall(r"circuit_breaker_\w+", rules)}
    assert asked - known == set()
