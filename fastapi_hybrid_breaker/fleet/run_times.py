"""Times in which a run of failures of several instances is reported, objected to and confirmed."""

from typing import Final

OBJECT_AGAIN: Final = 0.08
"""Seconds after which one more look is taken for a success since a run was found long enough."""

FIRST_WAIT: Final = 0.05
"""Seconds after a failure in which a success here makes it nobody's business."""

OBJECTION_JITTER: Final = 0.05
"""Seconds at most before an objection to a run: the first one spares the fleet all others."""

TO_OBJECT: Final = 0.14
"""Seconds in which others can object to a run; then it may open the circuit."""

LATER: Final = 0.01
"""Seconds by which it is confirmed later than that: clocks and ways differ."""

CONFIRM_JITTER: Final = 0.05
"""Seconds at most by which it is confirmed later still: the first one spares the others."""

HELD_BACK: Final = 0.3
"""Seconds for which no more failures are reported of a run that is long enough: by then it has
opened the circuit, or a success has ended it."""

LISTEN_ON: Final = 1.0
"""Seconds for which successes are noted beyond the end of a run: the next may have begun."""
