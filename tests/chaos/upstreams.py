"""The names of both upstreams, which are the keys of their circuits."""

from typing import Final

SHAKY: Final = "shaky"
STEADY: Final = "steady"
