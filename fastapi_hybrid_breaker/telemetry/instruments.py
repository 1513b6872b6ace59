"""The instruments, made once for each provider of meters."""

from __future__ import annotations

import threading
import weakref
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Protocol

from opentelemetry import metrics

from fastapi_hybrid_breaker import forks

from .names import SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

CALL_BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
"""Seconds; the convention's for requests."""

LAG_BUCKETS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""Seconds: a message takes milliseconds, a repair up to minutes."""


_VERSION: Final = version("fastapi-hybrid-breaker")


class Source(Protocol):
    """Who is asked for values when a reader collects; each method is one instrument's."""

    def state(self) -> Iterable[Observation]:
        """Circuits by state."""

    def reopened(self) -> Iterable[Observation]:
        """Circuits that keep failing."""

    def overrides(self) -> Iterable[Observation]:
        """Circuits by override."""

    def connected(self) -> Iterable[Observation]:
        """Whether Redis answers."""

    def sent(self) -> Iterable[Observation]:
        """Commands answered."""

    def received(self) -> Iterable[Observation]:
        """Messages taken in."""

    def dropped(self) -> Iterable[Observation]:
        """Messages dropped."""

    def queued(self) -> Iterable[Observation]:
        """What waits to be sent."""

    def corrected(self) -> Iterable[Observation]:
        """Changes whose message did not arrive."""


Observed = tuple[str, "Callable[[Source], Iterable[Observation]]", str, str]
"""An instrument that is observed: its name, whom to ask, its unit, and what it is."""

_AMOUNTS: Final[tuple[Observed, ...]] = (
    (
        "circuit_breaker.state",
        lambda source: source.state(),
        "{circuit}",
        (
            "Circuits by the state in force: 1 for the one that a circuit is in, else 0. An idle"
            " one is ready_to_probe, not open."
        ),
    ),
    (
        "circuit_breaker.reopened",
        lambda source: source.reopened(),
        "{circuit}",
        (
            "Circuits that opened again at least twice within the last hour, without a success"
            " between."
        ),
    ),
    (
        "circuit_breaker.override.count",
        lambda source: source.overrides(),
        "{circuit}",
        "Circuits that an operator holds open or disabled.",
    ),
    (
        "circuit_breaker.sync.connected",
        lambda source: source.connected(),
        "{instance}",
        "1 while Redis answers this instance, 0 while it is isolated.",
    ),
    (
        "circuit_breaker.sync.queue.length",
        lambda source: source.queued(),
        "{circuit}",
        "Circuits about which something waits to be sent to Redis.",
    ),
)
"""What can rise and fall."""

_COUNTS: Final[tuple[Observed, ...]] = (
    (
        "circuit_breaker.sync.sent.messages",
        lambda source: source.sent(),
        "{message}",
        "Commands that Redis has answered.",
    ),
    (
        "circuit_breaker.sync.received.messages",
        lambda source: source.received(),
        "{message}",
        "Messages of other instances that were taken in.",
    ),
    (
        "circuit_breaker.sync.dropped.messages",
        lambda source: source.dropped(),
        "{message}",
        "Messages and hashes that were malformed or found no room.",
    ),
    (
        "circuit_breaker.sync.corrections",
        lambda source: source.corrected(),
        "{change}",
        "Changes of other instances whose message did not arrive in time.",
    ),
)
"""What only rises."""


class Instruments:
    """All instruments of one meter; ``sources`` are those that observations come from.

    A provider knows an instrument by its name, and takes the callbacks of the first that has it
    only, for ever: so they are shared, and ask whoever is instrumented at the moment.
    """

    def __init__(self, meter: Meter) -> None:
        self.sources: weakref.WeakSet[Source] = weakref.WeakSet()
        self.calls: metrics.Counter = meter.create_counter(
            "circuit_breaker.calls", "{call}", "Guarded calls that ran, by their outcome."
        )
        self.rejections: metrics.Counter = meter.create_counter(
            "circuit_breaker.rejections", "{call}", "Calls that were rejected."
        )
        self.shadow_rejections: metrics.Counter = meter.create_counter(
            "circuit_breaker.shadow_rejections",
            "{call}",
            "Calls that ran, and would have been rejected but for the shadow mode.",
        )
        self.shadow_failures: metrics.Counter = meter.create_counter(
            "circuit_breaker.shadow_failures",
            "{call}",
            "Calls that failed, of those that would have been rejected but for the shadow mode.",
        )
        self.slow_calls: metrics.Counter = meter.create_counter(
            "circuit_breaker.slow_calls",
            "{call}",
            "Calls that took longer than the circuit's slow-call rule allows.",
        )
        self.duration: metrics.Histogram = meter.create_histogram(
            "circuit_breaker.call.duration",
            "s",
            "How long guarded calls took.",
            explicit_bucket_boundaries_advisory=CALL_BUCKETS,
        )
        self.changes: metrics.Counter = meter.create_counter(
            "circuit_breaker.changes", "{change}", "Changes of a circuit's state, by their cause."
        )
        self.lag: metrics.Histogram = meter.create_histogram(
            "circuit_breaker.sync.lag",
            "s",
            "How long after the server's time a change of another instance was taken in.",
            explicit_bucket_boundaries_advisory=LAG_BUCKETS,
        )
        for name, question, unit, description in _AMOUNTS:
            ask = [self._ask(question)]
            meter.create_observable_up_down_counter(name, ask, unit, description)
        for name, question, unit, description in _COUNTS:
            meter.create_observable_counter(name, [self._ask(question)], unit, description)

    def _ask(
        self, question: Callable[[Source], Iterable[Observation]]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def callback(_: CallbackOptions) -> Iterable[Observation]:
            for source in tuple(self.sources):
                yield from question(source)

        return callback


class _Made:
    """The instruments by provider."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: weakref.WeakKeyDictionary[MeterProvider, Instruments] = (
            weakref.WeakKeyDictionary()
        )

    def find_or_make(self, provider: MeterProvider) -> Instruments:
        """See ``instruments_of``."""
        with self._lock:
            found = self._made.get(provider)
            if found is None and provider is metrics.get_meter_provider():
                made = self._made.items()
                found = next((one for given, one in made if _is_stand_in(given)), None)
            if found is None:
                found = Instruments(_meter_of(provider))
            self._made[provider] = found
            return found

    def after_fork(self) -> None:
        """Make a new lock: a thread that is not in the child may have held the old one."""
        self._lock = threading.Lock()


_made: Final = _Made()
forks.note(_made.after_fork)


def instruments_of(provider: MeterProvider) -> Instruments:
    """Return the instruments of a provider, made with its first use.

    Those that were made before the application had set a provider are that one's afterwards: the
    API sees to it.
    """
    return _made.find_or_make(provider)


def is_placeholder(provider: object) -> bool:
    """Return whether a provider is the API's own: it measures nothing, or not yet."""
    return type(provider).__module__.startswith(("opentelemetry.metrics", "opentelemetry.trace"))


def is_measuring(provider: MeterProvider) -> bool:
    """Return whether anybody will read what is measured."""
    if is_placeholder(provider) or isinstance(_meter_of(provider), metrics.NoOpMeter):
        return False  # the second: the SDK is disabled
    # The SDK without an exporter. A provider that does not say so has one.
    consumer = getattr(provider, "_measurement_consumer", None)
    return bool(getattr(consumer, "_reader_storages", True))


def _meter_of(provider: MeterProvider) -> Meter:
    return provider.get_meter(SCOPE, _VERSION)


def _is_stand_in(provider: MeterProvider) -> bool:
    """Return whether it stands for a provider to be set later."""
    return is_placeholder(provider) and not isinstance(provider, metrics.NoOpMeterProvider)
