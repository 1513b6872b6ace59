"""The pictures as tables. All text is passed as such: nothing in it is read as rich's markup."""

from __future__ import annotations

from collections import Counter
from time import localtime, strftime
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from fastapi_hybrid_breaker.core.override import OverrideKind
from fastapi_hybrid_breaker.core.states import CircuitState

from .words import duration, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from fastapi_hybrid_breaker.fleet.instances import Instance

    from .picture import Picture, Row

_SYMBOLS: Final = {CircuitState.OPEN: "✖", CircuitState.HALF_OPEN: "◐", CircuitState.CLOSED: "✔"}
_STYLES: Final = {
    CircuitState.OPEN: "bold red",
    CircuitState.HALF_OPEN: "bold yellow",
    CircuitState.CLOSED: "green",
}

_FEWEST_OPENINGS: Final = 3
"""Openings below which it means nothing that most came from one instance."""

_READY: Final = "ready to probe"
_READY_SYMBOL: Final = "◌"
_READY_STYLE: Final = "cyan"


def overview(picture: Picture, *, title: str, most: int | None = None) -> RenderableType:
    """Show all circuits, or the worst ``most``, and the instances."""
    shown = picture.rows[:most]
    parts: list[RenderableType] = [Text(harmless(title), "bold"), summary(picture)]
    if shown:
        parts.append(circuits_table(shown, picture.instances))
    if len(shown) < len(picture.rows):
        parts.append(Text(f"… and {len(picture.rows) - len(shown)} more circuits", "dim"))
    parts.append(instances_table(picture))
    return Group(*parts)


def summary(picture: Picture) -> Text:
    """Count the circuits by state."""
    text = Text()
    waiting = [row for row in picture.rows if row.is_ready_to_probe]
    for state in (CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED):
        count = sum(row.state is state for row in picture.rows if row not in waiting)
        text.append(f"{_SYMBOLS[state]} {count} {state}  ", _STYLES[state] if count else "dim")
    if waiting:
        text.append(f"{_READY_SYMBOL} {len(waiting)} {_READY}  ", _READY_STYLE)
    unreadable = picture.unreadable + sum(row.state is None for row in picture.rows)
    if unreadable:
        text.append(f"? {unreadable} unreadable  ", "bold magenta")
    if picture.quiet:
        text.append(f"{picture.quiet} without a change in the last hour", "dim")
    if not picture.rows:
        text.append("No circuit has changed its state of late.", "dim")
    text.rstrip()
    return text


def circuits_table(rows: Sequence[Row], instances: Sequence[Instance]) -> Table:
    """Show circuits, the worst first; what is long goes below each other, for narrow terminals."""
    with_rejecting = any(row.rejecting for row in rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("state", no_wrap=True)
    table.add_column("circuit", overflow="fold")
    table.add_column("why", overflow="fold")
    table.add_column("since", justify="right", no_wrap=True)
    table.add_column("next attempt", justify="right", min_width=10, max_width=10)
    table.add_column("failures", justify="right", no_wrap=True)
    if with_rejecting:
        table.add_column("rejecting", justify="right", no_wrap=True)
    for row in rows:
        cells = [
            state_word(row, below="\n"),
            Text(harmless(row.key), "bold"),
            Text("\n".join(_reasons(row, instances))),
            Text("" if row.since is None else duration(row.now - row.since)),
            Text(countdown(row)),
            Text("" if row.heard is None else str(row.heard.failures)),
        ]
        if with_rejecting:
            cells.append(Text(f"{row.rejecting:.1f}/s" if row.rejecting else ""))
        table.add_row(*cells)
    return table


def _reasons(row: Row, instances: Sequence[Instance]) -> Iterator[str]:
    """Return all that makes a circuit what it is, the strongest first."""
    if row.override is not None:
        yield override_words(row)
    if row.why:
        yield row.why
    if often := often_opened_by(row.openers, instances):
        yield often
    if row.open_at:
        yield f"open on one instance only at {', '.join(names_of(row.open_at, instances))}"


def instances_table(picture: Picture, row: Row | None = None) -> RenderableType:
    """Show who lives; with ``row``, and what each said of that circuit."""
    if not picture.instances:
        return Text("No instance is alive: no service shares circuits here now.", "yellow")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("instance", "host", "sync", "up", "last report", "version"):
        table.add_column(heading, overflow="fold", justify="left")
    if row is not None:
        table.add_column("the circuit there, as reported", overflow="fold")
    for one in picture.instances:
        there = [] if row is None else [_there(one, row)]
        table.add_row(
            Text(one.id),
            Text(harmless(one.host)),
            Text(one.sync, "green" if one.sync == "connected" else "bold yellow"),
            Text(duration(picture.now - one.started)),
            Text(f"{duration(picture.now - one.last_seen)} ago"),
            Text(harmless(one.library)),
            *there,
        )
    return table


def _there(instance: Instance, row: Row) -> Text:
    """Return what an instance reported of a circuit; it reports unhealthy ones, as many as fit."""
    reported = row.seen.get(instance.id)
    if reported is None:
        is_told = instance.circuits is not None and not instance.more
        text = Text("CLOSED, or unknown" if is_told else "not reported", "dim")
    else:
        rate = f", rejecting {reported.rejecting:.1f}/s" if reported.rejecting else ""
        text = Text(f"{_SYMBOLS[reported.state]} {reported.state}{rate}", _STYLES[reported.state])
        if reported.ready_to_probe:
            text = Text(f"{_READY_SYMBOL} {_READY}", _READY_STYLE)
        if reported.shadowed is not None:
            text = Text(
                f"{reported.state}, {_shadow_words(reported.shadowed, reported.shadowed_failures)}"
            )
    if row.since is not None and instance.last_seen < row.since:
        text.append(" (before the last change)", "yellow")
    return text


def _shadow_words(calls: int, failed: int) -> str:
    share = f" ({failed / calls:.0%} failed)" if calls else ""
    return f"shadow mode: {calls} would have been rejected{share}"


def details(picture: Picture) -> RenderableType:
    """Show one circuit."""
    (row,) = picture.rows
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _details(row, picture.instances):
        table.add_row(name, text)
    return Group(table, instances_table(picture, row))


def _details(row: Row, instances: Sequence[Instance]) -> Iterator[tuple[str, Text]]:
    yield "circuit", Text(harmless(row.key))
    yield "state", state_word(row)
    if row.override is not None:
        yield "override", Text(override_words(row))
    if row.fixed_state is not None:
        own = "not reported" if row.heard is None else row.heard.state
        yield "own state", Text(own)
    if row.why:
        yield "why", Text(row.why)
    if row.since is not None:
        yield "since", Text(f"{_time(row.since)} ({duration(row.now - row.since)} ago)")
    if row.state is CircuitState.OPEN:
        yield "next attempt", Text(countdown(row))
    if row.heard is not None:
        yield "failures", Text(str(row.heard.failures))
        yield "successes", Text(f"{row.heard.successes} of this recovery")
        yield "openings", Text(f"{row.heard.reopenings} more in a row")
        if often := often_opened_by(row.openers, instances):
            yield "", Text(often)
        if row.heard.version:
            yield "version", Text(f"{row.heard.version} by {row.heard.writer}")
    if row.open_at:
        yield "open on one instance only at", Text(", ".join(names_of(row.open_at, instances)))


def state_word(row: Row, *, below: str = " ") -> Text:
    """Return a state as symbol and word, and after ``below`` what is special about it."""
    if row.state is None:
        return Text("? unreadable", "bold magenta")
    if row.is_ready_to_probe:
        return Text(f"{_READY_SYMBOL} {_READY}", _READY_STYLE)
    text = Text(f"{_SYMBOLS[row.state]} {row.state}", _STYLES[row.state])
    if row.override is not None:
        text.append(f"{below}({row.override.kind.value.replace('_', ' ')})", "bold")
    elif row.open_at and row.state is CircuitState.CLOSED:
        text.append(f"{below}(open at {len(row.open_at)})", "bold red")
    return text


def countdown(row: Row) -> str:
    """Return when an OPEN circuit admits a call."""
    if row.state is not CircuitState.OPEN:
        return ""
    if row.retry_after is None:
        return "when cleared"
    return f"in {duration(row.retry_after)}" if row.retry_after else "next call"


def override_words(row: Row) -> str:
    """Return an override in one line."""
    override = row.override
    if override is None:
        return ""
    left = "until cleared" if override.remaining is None else f"{duration(override.remaining)} left"
    return harmless(f"{override.kind.value} by {override.by}: {override.reason} ({left})")


def override_left(row: Row) -> str:
    """Return a sentence on the override that a reset has left in force, "" without one."""
    if row.override is None:
        return ""
    effects = {
        OverrideKind.FORCED_OPEN: "Every call is still rejected.",
        OverrideKind.DISABLED: "Every call is still admitted, and none is counted.",
        OverrideKind.SHADOW: "Still nothing is rejected.",
        OverrideKind.ENFORCED: "The circuit still rejects calls whenever it is open.",
    }
    effect = effects[row.override.kind]
    words = override_words(row)
    return f"The manual override stays in force: {words}. {effect} Use 'clear' to end it."


def often_opened_by(openers: Sequence[str], instances: Sequence[Instance]) -> str:
    """Return a sentence on the instance that brought about most of the last openings, "" if none.

    It may be the one that is sick, and not the upstream.
    """
    if len(openers) < _FEWEST_OPENINGS:
        return ""
    ((opener, times),) = Counter(openers).most_common(1)
    if times * 2 <= len(openers):
        return ""
    (name,) = names_of([opener], instances)
    return f"{times} of the last {len(openers)} openings came from instance {name}"


def names_of(ids: Sequence[str], instances: Sequence[Instance]) -> list[str]:
    """Return instances with their hosts, where these are known."""
    hosts = {one.id: one.host for one in instances}
    return [harmless(f"{one} ({hosts[one]})" if one in hosts else one) for one in ids]


def _time(seconds: float) -> str:
    return strftime("%Y-%m-%d %H:%M:%S", localtime(seconds))
