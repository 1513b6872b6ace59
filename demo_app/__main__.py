"""``python -m demo_app [--once]``: the arguments, the signals and the exit code."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys

from .display import Display
from .performance import Performance, StepFailedError

FAILED = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the demo; returns 0 when the story was played, 1 when a step of it did not happen."""
    parser = argparse.ArgumentParser(prog="python -m demo_app", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the story")
    parser.add_argument(
        "--patience",
        type=float,
        default=15.0,
        metavar="SECONDS",
        help="how long a step waits for what it promises (default: %(default)s)",
    )
    options = parser.parse_args()
    return asyncio.run(_run(once=options.once, patience=options.patience))


async def _run(*, once: bool, patience: float) -> int:
    display = Display()
    performance = Performance(
        display, redis_url=os.environ.get("REDIS_URL") or None, once=once, patience=patience
    )
    task = asyncio.create_task(performance.run())
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except StepFailedError as error:
        display.fail(error.step, error.reason)
        return FAILED
    except asyncio.CancelledError:
        # Asked to stop; that is how a performance ends whose story is over.
        return 0 if performance.is_told else 128 + received[0]
    return 0


if __name__ == "__main__":
    sys.exit(main())
