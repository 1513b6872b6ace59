"""``instrument``: measuring a breaker, and its undoing."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

from fastapi_hybrid_breaker.breaker import Breaker
from fastapi_hybrid_breaker.core.checks import check_count

from . import names
from .careful import Careful
from .instruments import instruments_of, is_measuring, is_placeholder
from .labels import Labels
from .readings import Readings
from .series import Series
from .spans import tell_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.metrics import MeterProvider

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.core.states import StateChange

_MOST_KEYS = 10_000

_instrumented: weakref.WeakSet[Breaker] = weakref.WeakSet()


def instrument(
    breaker: Breaker,
    *,
    meter_provider: MeterProvider | None = None,
    key: Callable[[str], str | None] | None = None,
    max_keys: int = 100,
) -> Callable[[], None]:
    """Measure the circuits of ``breaker`` and its exchange with the fleet by OpenTelemetry.

    Also puts events on the current span, where one records: rejections, and changes of state
    that happened within it. As long as nobody would read it, nothing is measured, and a guarded
    call costs what it costs without.

    Args:
        breaker: whose circuits.
        meter_provider: where the metrics go; None: the application's own, that of
            ``opentelemetry.metrics.set_meter_provider``, which may be set later.
        key: gives the label that a circuit's key has in metrics, asked once for each circuit; None
            from it: ``other``. Not given: keys that are declared in ``circuits=`` or stand in a
            route's guard are their own label; others, made at run time, have their pattern's,
            or ``other``.
        max_keys: how many labels there may be, 1 to 10,000; beyond it, ``other``.

    Returns:
        A function that ends it.

    Raises:
        RuntimeError: this breaker is instrumented already.
        TypeError, ValueError: an argument of another type or range.
    """
    given: object = breaker
    if not isinstance(given, Breaker):
        raise TypeError(f"breaker must be a HybridBreaker, not {given!r}")
    if key is not None and not callable(key):
        raise TypeError(f"key must be a function from a key to its label, or None, not {key!r}")
    check_count("max_keys", max_keys, _MOST_KEYS)
    if breaker in _instrumented:
        raise RuntimeError(f"{breaker!r} is instrumented already: end that first")
    _instrumented.add(breaker)
    return _Instrumentation(breaker, meter_provider, Labels(breaker, key, max_keys)).end


class _Instrumentation:
    """Attaches to the circuits when there is somebody to measure for, and leaves them again."""

    def __init__(self, breaker: Breaker, provider: MeterProvider | None, labels: Labels) -> None:
        self._breaker = breaker
        self._provider = provider
        self._labels = labels
        self._about = {names.NAMESPACE: breaker._sync.namespace}
        self._instruments = instruments_of(provider or metrics.get_meter_provider())
        self._put = Careful()
        self._series: dict[str, Series] = {}
        self._is_measured = False
        self._is_observed = False
        self._is_over = False
        self._readings = Readings(breaker, labels, self._asked)
        self._put.start()
        # Nobody need end it: the last reference to a breaker takes all with it.
        weakref.finalize(breaker, self._put.stop)
        self._instruments.sources.add(self._readings)
        self._forget_listener = breaker.on_change(self._changed)
        breaker._sync.lag.heard = self._learned
        breaker._registry.made = self._made
        self._attach()

    def end(self) -> None:
        """End it; harmless when called twice."""
        if self._is_over:
            return
        self._is_over = True
        self._breaker._registry.made = None
        self._breaker._sync.lag.heard = None
        self._forget_listener()
        self._instruments.sources.discard(self._readings)
        for circuit in self._circuits():
            circuit._observe(None, measured=False)
        self._put.stop()
        self._put.catch_up()
        _instrumented.discard(self._breaker)

    def _attach(self) -> None:
        """Observe the circuits if there is a reason to, now that it may have come up."""
        if self._has_come_up():
            self._observe_all()

    def _observe_all(self) -> None:
        for circuit in self._circuits():
            self._observe(circuit)

    def _has_come_up(self) -> bool:
        """Return whether there is a reason to observe, or a further one, since this was asked."""
        before = (self._is_measured, self._is_observed)
        if not self._is_measured:
            self._is_measured = is_measuring(self._provider or metrics.get_meter_provider())
        self._is_observed = self._is_measured or not is_placeholder(trace.get_tracer_provider())
        return before != (self._is_measured, self._is_observed)

    def _observe(self, circuit: Circuit) -> None:
        if self._is_observed:
            circuit._observe(self._series_of(circuit), measured=self._is_measured)
        if self._is_over:  # meanwhile, in another thread
            circuit._observe(None, measured=False)

    def _circuits(self) -> Iterator[Circuit]:
        yield from self._breaker.circuits()
        if (surplus := self._breaker._registry.overflow) is not None:
            yield surplus

    def _series_of(self, circuit: Circuit) -> Series:
        label = self._labels.of(circuit)
        series = self._series.get(label)
        if series is None:
            about = {**self._about, names.KEY: label}
            series = self._series[label] = Series(self._instruments, self._put, about)
        return series  # two of one label do no harm: they count in the same place

    # -- what comes up ------------------------------------------------------------------------

    def _asked(self) -> None:
        self._put.catch_up()
        self._attach()

    def _made(self, circuit: Circuit) -> None:
        self._put.only(self._observe_new, circuit)

    def _observe_new(self, circuit: Circuit) -> None:
        if self._has_come_up():
            # Not now: the registry's lock is held, under which no other circuit may be waited for.
            self._put.later(self._observe_all)
        self._observe(circuit)

    def _changed(self, change: StateChange) -> None:
        self._put(self._count_change, change)
        self._put(tell_change, change)

    def _count_change(self, change: StateChange) -> None:
        self._attach()
        circuit = self._breaker._registry.get(change.key)
        label = names.OTHER if circuit is None else self._labels.of(circuit)
        attributes = {
            **self._about,
            names.KEY: label,
            names.CAUSE: change.cause.value,
            names.OLD: change.old.lower(),
            names.NEW: change.new.lower(),
        }
        self._instruments.changes.add(1, attributes)

    def _learned(self, lag: float, by_message: bool) -> None:  # noqa: FBT001 - a callback's
        source = "message" if by_message else "reading"
        self._put(self._instruments.lag.record, lag, {**self._about, names.SOURCE: source})
