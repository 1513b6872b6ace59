"""The alert ``CircuitOpen`` of docs/telemetry.md, as Prometheus evaluates it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.telemetry import instrument
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.machine import NO_PROMTOOL, do_without

from .collected import PREFIX, Collected
from .served import DOCS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opentelemetry.sdk.metrics import MeterProvider

KEY = "stock"
CONFIG = CircuitConfig(failure_threshold=2, success_threshold=2, recovery_timeout=60.0)
LABELS = {"circuit_breaker_namespace": "circuit", "circuit_breaker_key": KEY}
MEASURED = {"state": "", "reopened": "", "rejections": "_total", "changes": "_total"}
"""What the alert may ask for, and what it is called in Prometheus."""


class Story:
    """A circuit over hours, scraped every minute."""

    def __init__(self, provider: MeterProvider, collect: Callable[[], Collected]) -> None:
        self.clock = ManualClock()
        breaker = HybridBreaker(redis=None, circuits={KEY: CONFIG}, clock=self.clock)
        instrument(breaker, meter_provider=provider)
        self.circuit = breaker.circuit(KEY)
        self.minute = 0
        self._collect = collect
        self._values: dict[str, dict[int, float]] = {}

    def passes(self, minutes: int, *calls: Callable[[Circuit], object], each: int = 1) -> None:
        """Let time pass with ``calls`` in every minute that is a multiple of ``each``."""
        for _ in range(minutes):
            if self.minute % each == 0:
                for call in calls:
                    call(self.circuit)
            self._scrape()
            self.minute += 1
            self.clock.advance(60.0)

    def alerts(self, folder: Path, expected: dict[int, bool]) -> None:
        """Return whether Prometheus alerts at these minutes."""
        (rules,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
        (folder / "rules.yml").write_text(rules)
        minutes = range(self.minute)
        series = [
            {"series": name, "values": " ".join(str(one.get(at, "_")) for at in minutes)}
            for name, one in self._values.items()
        ]
        asked = [
            {
                "eval_time": f"{minute}m",
                "alertname": "CircuitOpen",
                "exp_alerts": [{"exp_labels": LABELS}] if fires else [],
            }
            for minute, fires in expected.items()
        ]
        test = {
            "rule_files": ["rules.yml"],
            "evaluation_interval": "1m",
            "tests": [{"interval": "1m", "input_series": series, "alert_rule_test": asked}],
        }
        (folder / "test.yml").write_text(json.dumps(test))
        done = subprocess.run(
            [shutil.which("promtool") or "", "test", "rules", "test.yml"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _scrape(self) -> None:
        found = self._collect()
        for name, suffix in MEASURED.items():
            for point in found.points(name):
                labels = ",".join(
                    f'{label.replace(".", "_")}="{value}"'
                    for label, value in sorted(point.attributes.items())
                )
                series = f"{PREFIX.replace('.', '_')}{name}{suffix}{{{labels}}}"
                self._values.setdefault(series, {})[self.minute] = point.value


def fail(circuit: Circuit) -> None:
    with pytest.raises((ZeroDivisionError, CircuitOpenError)):
        circuit.call_sync(lambda: 1 // 0)


def succeed(circuit: Circuit) -> None:
    circuit.call_sync(int)


@pytest.fixture
def story(provider: MeterProvider, collect: Callable[[], Collected]) -> Story:
    if shutil.which("promtool") is None:
        do_without(NO_PROMTOOL)
    return Story(provider, collect)


def test_a_circuit_that_is_never_called_again_alerts_nobody(story: Story, tmp_path: Path) -> None:
    story.passes(2, fail)
    assert story.circuit.state == "OPEN"
    story.passes(180)
    story.alerts(tmp_path, dict.fromkeys((2, 8, 20, 60, 90, 180), False))


def test_a_dead_upstream_with_one_call_in_five_minutes_alerts_within_15(
    story: Story, tmp_path: Path
) -> None:
    story.passes(60, succeed, each=5)
    story.passes(60, fail, each=5)  # it opens in minute 65
    assert story.circuit.stats().rejected == 0
    story.alerts(tmp_path, {64: False, 71: False, 80: True, 119: True})


def test_the_alert_ends_an_hour_after_the_last_calls(story: Story, tmp_path: Path) -> None:
    story.passes(30, fail, each=5)
    story.passes(90)
    story.alerts(tmp_path, {29: True, 60: True, 100: False})


def test_the_alert_ends_with_the_first_success(story: Story, tmp_path: Path) -> None:
    story.passes(30, fail, each=5)
    story.passes(20, succeed, each=5)
    assert story.circuit.state == "CLOSED"
    story.alerts(tmp_path, {29: True, 45: False})


def test_an_upstream_that_succeeds_between_its_failures_is_not_dead(
    story: Story, tmp_path: Path
) -> None:
    story.passes(10, fail, each=5)
    for _ in range(6):
        story.passes(5, succeed, each=5)
        story.passes(5, fail, each=5)
    assert story.circuit.state == "OPEN"
    story.alerts(tmp_path, dict.fromkeys(range(70), False))


def test_openings_hours_apart_are_no_outage(story: Story, tmp_path: Path) -> None:
    story.passes(2, fail)
    for _ in range(3):
        story.passes(70, fail, each=70)
    story.alerts(tmp_path, dict.fromkeys(range(212), False))


def test_rejections_that_go_on_alert(story: Story, tmp_path: Path) -> None:
    story.passes(10, succeed)
    inside.open_here(story.circuit, 3_600.0)  # for longer than they last: no probe has failed
    story.passes(20, *[fail] * 20)
    inside.reset_here(story.circuit)
    story.passes(60, succeed)
    story.alerts(tmp_path, {9: False, 12: False, 20: True, 60: False})


def test_a_short_outage_alerts_nobody(story: Story, tmp_path: Path) -> None:
    story.passes(10, succeed)
    story.passes(1, *[fail] * 20)
    story.passes(30, succeed)
    story.alerts(tmp_path, dict.fromkeys(range(41), False))
