"""The figures as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def table(found: Mapping[str, Any]) -> str:
    """Show what was found, one line per figure."""
    machine, asked, figures = found["machine"], found["parameters"], found["figures"]
    head = (
        f"{asked['instances']} instances on {machine['cores']} cores,"
        f" Python {machine['python']}, {machine['server']}"
    )
    spread = f"{'':44}{'p50':>10}{'p99':>10}{'max':>10}"
    return "\n".join([head, spread, *_times(figures), "", *_hang(figures), "", *_rates(figures)])


def _times(figures: Mapping[str, Any]) -> Iterator[str]:
    trips, recoveries = figures["trips"], figures["recoveries"]
    yield _row("a trip reaches the last instance, ms", trips["milliseconds_to_the_last"])
    budget = recoveries["budget"]
    yield _row(f"probes per recovery (needed: {budget})", recoveries["probes_per_recovery"])
    yield _row(f"probes at once (budget: {budget})", recoveries["probes_at_once"])
    late = recoveries["milliseconds_from_the_end_of_the_open_time"]
    yield _row("closed on all after the open time, ms", late)


def _hang(figures: Mapping[str, Any]) -> Iterator[str]:
    hang = figures["hang"]
    yield (
        f"all agree {hang['milliseconds_to_agree']:.0f} ms after a server that hung for"
        f" {hang['seconds']:g} s went on ({hang['isolated_at_its_end']} knew themselves isolated)"
    )


def _rates(figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'per second':36}{'calls':>10}{'rejected':>10}{'commands':>10}{'pings':>8}{'sent':>8}"
    for name, load in figures["commands"].items():
        yield (
            f"{name:36}{load['calls_per_second']:10.0f}{load['rejected_per_second']:10.0f}"
            f"{load['commands_per_second']:10.1f}{load['of_these_pings']:8.1f}"
            f"{load['sent_by_instances_per_second']:8.1f}"
        )
    yield "commands: all that the server ran, those inside of scripts and pings too;"
    yield "sent: what the instances' lanes sent"


def _row(name: str, spread: Mapping[str, float]) -> str:
    return f"{name:44}{spread['p50']:10.1f}{spread['p99']:10.1f}{spread['max']:10.1f}"
