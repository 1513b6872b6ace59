"""A measurement that is broken off ends what it has started."""

from __future__ import annotations

import asyncio
import signal


def end_in_order_when_asked() -> None:
    """Cancel the measurement at the first Ctrl-C or SIGTERM, and let no second one disturb that."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asked: list[signal.Signals] = []

    def ask(number: signal.Signals) -> None:
        if not asked and task is not None:
            asked.append(number)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask, number)
