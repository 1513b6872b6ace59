"""The tables of the other parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .tables import Table, duration, three

if TYPE_CHECKING:
    from benchmarks.parts import Figures

_NONE = "–"


def sharing(figures: Figures) -> list[Table]:
    """Return time and commands per call by condition of the server."""
    rows = [
        (
            name.replace(" / ", ", "),
            three(commands),
            duration(figures["near"][name]["median_ns"]),
            duration(figures["away"][name]["median_ns"]),
            _trouble(figures["hung"].get(name), figures["limit_seconds"]),
            _trouble(figures["gone"].get(name), figures["limit_seconds"]),
        )
        for name, commands in figures["commands"].items()
    ]
    away = f"{figures['away_seconds'] * 1e3:.0f} ms away"
    columns = ("", "commands", "near", away, "hung", "gone")
    note = (
        "Medians, by the clock on the wall. Commands per call as the server counts them, inside of"
        " scripts too. Hung: the server's process is stopped; gone: it is killed. There"
        " `median / longest` of the calls of eight seconds, or how long the first one lasted at"
        " least; `!` marks those that raised to their caller."
    )
    ours = figures["ours"]
    working = Table(
        "Ours, sharing, by the work of its thread",
        ("", "median", "10th percentile", "90th", "× bare"),
        tuple(_spread(name, line) for name, line in ours.items()),
    )
    tail = figures["tail"]
    healthy = figures["healthy"]
    text = (
        f"99th percentile of single calls, healthy and hung by turns:"
        f" {_list(tail['healthy_p99_ns'])} and {_list(tail['hung_p99_ns'])} ns, ratio of"
        f" their 10th percentiles {tail['ratio']:.3f}. {healthy['calls']:,} healthy calls in"
        f" {healthy['seconds']} s sent {_commands(healthy['commands'])}; the same time without"
        f" calls {_commands(healthy['commands_without_calls'])}."
    )
    return [
        Table(f"A guarded call with its state in {figures['server']}", columns, tuple(rows), note),
        Table(working.title, working.columns, working.rows, text),
    ]


def _commands(by_name: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in by_name.items()) or "nothing"


def _list(numbers: list[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _spread(name: str, line: dict[str, Any]) -> tuple[str, ...]:
    return (
        name,
        duration(line["median_ns"]),
        duration(line["p10_ns"]),
        duration(line["p90_ns"]),
        three(line["ratio"]),
    )


def _trouble(line: dict[str, Any] | None, limit: float) -> str:
    if line is None:
        return _NONE
    if line["calls"] == 0:
        return f"over {limit:.0f} s"
    mark = " !" if line["raised"] else ""
    return f"{duration(line['median_ns'])} / {duration(line['longest_ns'])}{mark}"


def routes(figures: Figures) -> list[Table]:
    """Return the cost in process, and requests per second under uvicorn."""
    found = figures["in_process"]
    floor = found["unguarded"]["p10_ns"]
    in_process = Table(
        "A FastAPI route, in process",
        ("", "median", "10th percentile", "90th", "× unguarded", "added"),
        tuple(
            (*_spread(name, line), duration(max(0.0, line["p10_ns"] - floor)))
            for name, line in found.items()
        ),
    )
    served = figures["served"]
    tables = [in_process]
    for title, lines in served["servers"].items():
        rows = tuple(
            (
                name,
                f"{line['per_second']:,}",
                f"{line['share'] * 100:.0f} %",
                f"{line['p50_ms']:.2f} ms",
                f"{line['p99_ms']:.2f} ms",
                f"{line.get('cpu_us', 0):.0f} µs",
                f"{100 / line['cpu_ratio']:.0f} %" if "cpu_ratio" in line else _NONE,
            )
            for name, line in lines.items()
        )
        columns = (
            *("", "requests/s", "of unguarded", "p50", "p99"),
            *("work of the server per request", "of unguarded, by work"),
        )
        note = f"Load by {served['load_by']}; sharing on for ours."
        tables.append(Table(f"Under uvicorn ({title})", columns, rows, note))
    return tables


def transport(figures: Figures) -> list[Table]:
    """Return requests with and without the guarded transport."""
    rows = []
    for kind, by_name in figures.items():
        for name, line in by_name.items():
            if not name.endswith("guarded"):
                continue
            case = name.removesuffix(" / guarded")
            plain = by_name[f"{case} / plain"]
            rows.append(
                (
                    case.replace(" / ", ", ")
                    + (", work of the client" if kind == "by_work" else ""),
                    duration(plain["p10_ns"]),
                    duration(line["p10_ns"]),
                    three(line["ratio"]),
                    three(line["ratio_of_medians"]),
                )
            )
    columns = ("", "plain", "guarded", "ratio", "of medians")
    return [Table("A request through a transport (10th percentiles)", columns, tuple(rows))]


def scale(figures: Figures) -> list[Table]:
    """Return how the cost grows."""
    kinds = list(dict.fromkeys(name.split(" / ")[0] for name in figures["calls"]))
    numbers = list(dict.fromkeys(name.split(" / ")[1] for name in figures["calls"]))

    def cell(kind: str, number: str) -> str:
        line = figures["calls"][f"{kind} / {number}"]
        return f"{duration(line['p10_ns'])} ({three(line['ratio'])})"

    calls = Table(
        "Time per call by number of circuits (ratio to one)",
        ("circuits", *kinds, "made in"),
        tuple(
            (
                f"{int(number):,}",
                *(cell(kind, number) for kind in kinds),
                duration(figures["made_in_ms"][number] * 1e6),
            )
            for number in numbers
        ),
    )
    weights = Table(
        "Bytes per circuit",
        ("", "bytes"),
        tuple((name, f"{size:,}") for name, size in figures["bytes"].items()),
    )
    threads = Table(
        "`call_sync` on one circuit from many threads (work per call)",
        ("threads", "median", "10th percentile", "90th", "× bare"),
        tuple(_spread(name, line) for name, line in figures["threads"].items()),
    )
    shared = Table(
        "Start and repair of a process that shares its circuits",
        ("circuits", "", "takes", "work", "commands", "loop late, p99", "at most"),
        tuple(
            (
                f"{int(number):,}",
                step,
                f"{line['milliseconds']:.0f} ms",
                f"{line['work_ms']:.0f} ms",
                f"{line['commands']:,}",
                f"{line['loop_delay']['p99_ms']:.1f} ms",
                f"{line['loop_delay']['longest_ms']:.1f} ms",
            )
            for number, steps in figures["shared"].items()
            for step, line in steps.items()
        ),
        "A repair reads everything again, every half minute or so.",
    )
    at_once = figures["at_once"]
    late = Table(
        f"How late the event loop is while {at_once['circuits']:,} circuits change at once",
        ("", "p50", "p99", "at most"),
        tuple(
            (
                name,
                f"{line['p50_ms']:.1f} ms",
                f"{line['p99_ms']:.1f} ms",
                f"{line['longest_ms']:.1f} ms",
            )
            for name, line in at_once.items()
            if isinstance(line, dict)
        ),
    )
    return [calls, weights, threads, shared, late]
