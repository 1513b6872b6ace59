"""That the server is about to end.

uvicorn waits for its connections before it ends the application's lifespan, and a stream of events
never ends by itself. So whoever sends one must notice.
"""

from __future__ import annotations

import signal


def is_server_ending() -> bool:
    """Return whether the uvicorn server in this process is about to end.

    Its handler of the signal that ends it is a method of it.
    """
    handler = signal.getsignal(signal.SIGTERM)
    return bool(getattr(getattr(handler, "__self__", None), "should_exit", False))
