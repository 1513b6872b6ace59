"""The merge broken on purpose: the simulator finds each way, and says what does not hold."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker.core import fleet_trips
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.fleet import commands, connection, leases
from fastapi_hybrid_breaker.fleet.scripts import Script, by_sha
from simulator.calm import calm_scenario, play
from simulator.run import simulate
from simulator.scenario import Event, Kind, Scenario
from simulator.seeds import make_scenario
from tests.fleet.sessions import count_no_votes

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Break = Callable[[pytest.MonkeyPatch], None]

MOST_SEEDS = 150

LATE: tuple[tuple[float, Kind], ...] = ((2.0, "shuffles"), (2.5, "repeats"))


def break_script(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, old: str, new: str
) -> None:
    """Make the package send a script in which ``old`` is ``new``."""
    whole: Script = getattr(module, name)
    assert whole.text.count(old) == 1, "the script has changed"
    text = whole.text.replace(old, new)
    broken = Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    monkeypatch.setattr(module, name, broken)
    monkeypatch.setattr(
        connection, "by_sha", lambda sha: broken if sha == broken.sha else by_sha(sha)
    )


def old_news_overwrites_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(News, "is_newer_than", lambda *_: True)


def failures_of_others_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    old = "for _, failure in ipairs(run) do"
    break_script(monkeypatch, commands, "_EVIDENCE", old, "for _, failure in ipairs({}) do")


def calls_of_others_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_trips, "judge_fleet", lambda *_: None)


def votes_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    count_no_votes(monkeypatch)


def whoever_asks_may_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    old = "if lease.owner ~= instance and lease.ends > now then"
    break_script(monkeypatch, leases, "_SCRIPT", old, "if false then")


BUSY = Scenario(
    7,
    instances=3,
    keys=("inventory-api",),
    rate=60.0,
    duration=0.1,
    events=(Event(5.0, "sick", key="inventory-api", value=1.0, length=10.0),),
)
"""An upstream that is away, and so many calls that several instances would probe at once."""


BREAKS: list[tuple[Break, str, int | Scenario]] = [
    (old_news_overwrites_new, "went back", 9),
    (failures_of_others_do_not_count, "failures in the fleet", 93),
    (calls_of_others_do_not_count, "at a rate of 1", 83),
    (votes_are_not_counted, "", 615),
    (whoever_asks_may_probe, "probes of", BUSY),
]
"""Each with words of what it must be found by, and what found it: a seed, or a scenario."""


def scenario_of(seed: int) -> Scenario:
    """Make a scenario in which, beside all else, messages come late and twice every other time."""
    scenario = make_scenario(seed)
    if seed % 2:
        return scenario
    everybody = tuple(range(scenario.instances))
    late = [Event(at, kind, instances=everybody, value=1.0, length=30.0) for at, kind in LATE]
    events = sorted((*scenario.events, *late), key=lambda event: event.at)
    return replace(scenario, events=tuple(events))


@pytest.mark.parametrize(
    ("break_it", "words", "known"), BREAKS, ids=[one[0].__name__ for one in BREAKS]
)
def test_the_simulator_finds_it(
    monkeypatch: pytest.MonkeyPatch, break_it: Break, words: str, known: int | Scenario
) -> None:
    break_it(monkeypatch)
    for tried in (known, *range(1, MOST_SEEDS)):
        scenario = scenario_of(tried) if isinstance(tried, int) else tried
        if any(words in one for one in simulate(scenario).violations):
            return
    raise AssertionError(f"{MOST_SEEDS} seeds found nothing")


def successes_end_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    old = "if ARGV[11] ~= '-' then success = math.max(success, now_us - whole(ARGV[11])) end"
    break_script(monkeypatch, commands, "_EVIDENCE", old, "")


@pytest.mark.parametrize("break_it", [successes_end_no_run])
def test_a_calm_fleet_opens_by_it(monkeypatch: pytest.MonkeyPatch, break_it: Break) -> None:
    calm = calm_scenario(20, 0.02, rate=1.0, noise=0.1, loss=0.0, rule="run")
    assert play(calm).openings == ()
    break_it(monkeypatch)
    assert play(calm).openings != ()
