"""``python -m fastapi_hybrid_breaker.cli``: the same as the command."""

from __future__ import annotations

from . import main

if __name__ == "__main__":
    main()
