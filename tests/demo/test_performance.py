"""Performances with steps of the test's own, on the demo's real processes."""

from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from demo_app import performance as performance_module
from demo_app.display import Display
from demo_app.performance import Performance, StepFailedError
from demo_app.processes import answers
from demo_app.stage import NotSeenError, Stage
from demo_app.story import Step, start, steps
from tests.patience import PATIENCE

SetSteps = "Callable[[list[Step]], None]"


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def seen_stages(monkeypatch: pytest.MonkeyPatch) -> list[Stage]:
    """Return the stages of the performances to come."""
    stages: list[Stage] = []

    class SeenStage(Stage):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            stages.append(self)

    monkeypatch.setattr(performance_module, "Stage", SeenStage)
    return stages


def make(
    output: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    told: list[Step],
    *,
    once: bool = True,
    patience: float = 20.0,
) -> Performance:
    monkeypatch.setattr(performance_module, "steps", lambda **_: told)
    display = Display(Console(file=output, width=120))
    return Performance(display, redis_url=None, once=once, patience=patience)


def all_ended(stage: Stage) -> bool:
    return not any(child.is_running() for child in stage.cast.everyone)


async def test_after_the_story_the_services_stay_up_until_told_to_stop(
    output: io.StringIO, monkeypatch: pytest.MonkeyPatch, seen_stages: list[Stage]
) -> None:
    performance = make(output, monkeypatch, [("the services start", start)], once=False)
    running = asyncio.create_task(performance.run())
    async with asyncio.timeout(PATIENCE):
        while "until Ctrl-C" not in output.getvalue():
            await asyncio.sleep(0.01)
    (stage,) = seen_stages
    assert all(child.is_running() for child in stage.cast.everyone)
    assert all(shop.url in output.getvalue() for shop in stage.shops)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert performance.is_told
    assert all_ended(stage)


async def test_a_shop_that_dies_fails_the_step_under_way(
    output: io.StringIO, monkeypatch: pytest.MonkeyPatch, seen_stages: list[Stage]
) -> None:
    async def lose_one(stage: Stage) -> str:
        stage.cast.shops["shop-2"].kill()
        await stage.until(lambda: False, "something that never comes")
        return "unreachable"

    told: list[Step] = [("the services start", start), ("one is lost", lose_one)]
    performance = make(output, monkeypatch, told)
    with pytest.raises(StepFailedError) as failure:
        await performance.run()
    assert failure.value.step == "one is lost"
    assert failure.value.reason.startswith("shop-2 ended by itself")
    assert not performance.is_told
    assert all_ended(seen_stages[0])


async def test_what_is_not_seen_in_time_fails_with_what_was_seen_instead(
    output: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait_in_vain(stage: Stage) -> str:
        await stage.until(lambda: stage.all_in("OPEN"), "all circuits are open")
        return "unreachable"

    performance = make(output, monkeypatch, [("in vain", wait_in_vain)], patience=0.05)
    with pytest.raises(StepFailedError, match="in vain") as failure:
        await performance.run()
    assert "all circuits are open: not seen within 0.05 s; shop-1 ?" in failure.value.reason


async def test_a_story_that_takes_too_long_is_ended(
    output: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dawdle(_stage: Stage) -> str:
        await asyncio.Event().wait()
        return "unreachable"

    monkeypatch.setattr(performance_module, "LONGEST", 0.05)
    with pytest.raises(StepFailedError, match="took over"):
        await make(output, monkeypatch, [("dawdling", dawdle)]).run()


async def test_a_fault_of_the_demo_itself_is_not_hidden(
    output: io.StringIO, monkeypatch: pytest.MonkeyPatch, seen_stages: list[Stage]
) -> None:
    async def stumble(_stage: Stage) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await make(output, monkeypatch, [("stumbling", stumble)]).run()
    assert all_ended(seen_stages[0])


def test_a_redis_that_is_not_the_demos_own_is_not_killed() -> None:
    own = {name for name, _ in steps(valkey_is_ours=True)}
    named = {name for name, _ in steps(valkey_is_ours=False)}
    assert {name for name in own - named if "Valkey" in name} == own - named
    assert named < own


def test_the_end_of_patience_is_an_error_of_its_own() -> None:
    # Not a TimeoutError, which is what the whole story's limit raises.
    assert not issubclass(NotSeenError, TimeoutError)
    assert not answers(1)
