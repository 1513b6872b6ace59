"""Makes a failing scenario as short as it can be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .scenario import Event, Scenario


def shorten(scenario: Scenario, fails: Callable[[Scenario], bool], most: int = 300) -> Scenario:
    """Leave out whatever the failure does not need.

    Events first, then members, circuits and configurations, then lengths and numbers.

    Args:
        scenario: one that fails.
        fails: whether another one still does.
        most: tries.
    """
    tries = 0
    is_shorter = True
    while is_shorter and tries < most:
        is_shorter = False
        for shorter in _shorter(scenario):
            tries += 1
            if fails(shorter):
                scenario, is_shorter = shorter, True
                break
            if tries >= most:
                break
    return scenario


def _shorter(scenario: Scenario) -> Iterator[Scenario]:
    events = scenario.events
    half = len(events) // 2
    if half > 1:
        yield replace(scenario, events=events[:half])
        yield replace(scenario, events=events[half:])
    for at in range(len(events)):
        yield replace(scenario, events=events[:at] + events[at + 1 :])
    if scenario.speakers:
        yield replace(scenario, speakers=scenario.speakers - 1)
    if scenario.instances > 1:
        yield _without_last_instance(scenario)
    for key in scenario.keys if len(scenario.keys) > 1 else ():
        keys = tuple(one for one in scenario.keys if one != key)
        kept = tuple(event for event in events if not event.key or event.key != key)
        yield replace(scenario, keys=keys, events=kept)
    for config in scenario.configs if len(scenario.configs) > 1 else ():
        yield replace(scenario, configs=(config,))
    for at, event in enumerate(events):
        for easier in _easier(event):
            yield replace(scenario, events=(*events[:at], easier, *events[at + 1 :]))


def _without_last_instance(scenario: Scenario) -> Scenario:
    left = scenario.instances - 1
    events = []
    for event in scenario.events:
        those = tuple(one for one in event.instances if one < left)
        if those or not event.instances:
            events.append(replace(event, instances=those))
    return replace(scenario, instances=left, events=tuple(events))


def _easier(event: Event) -> Iterator[Event]:
    """Return the same event with less to it: fewer instances, whole seconds, half the length."""
    if len(event.instances) > 1:
        yield replace(event, instances=event.instances[:1])
    if event.at != round(event.at):
        yield replace(event, at=float(round(event.at)))
    if event.length > 1.0:
        yield replace(event, length=float(round(event.length / 2)))
