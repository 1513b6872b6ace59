"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A machine may be busy with something else: no test is judged by its time.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")
