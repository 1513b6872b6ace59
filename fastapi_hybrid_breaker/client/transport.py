"""A transport of httpx or httpx2, guarded by circuits: one implementation for all kinds."""

from __future__ import annotations

import sys
from functools import cache, lru_cache
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Self

from fastapi_hybrid_breaker.circuits.admission import admit
from fastapi_hybrid_breaker.circuits.circuit import Circuit
from fastapi_hybrid_breaker.core.keys import check_key, fault_of

from .lease import Lease
from .streams import family_bases

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from fastapi_hybrid_breaker.breaker import Breaker

_FAMILY_BASES = frozenset({"BaseTransport", "AsyncBaseTransport"})
_CALLS = ("handle_request", "handle_async_request")
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class GuardedTransport:
    """Sends requests through ``inner``, each under the circuit of its key.

    Sync, async or both, as ``inner`` is; calling the half that ``inner`` lacks raises its own
    AttributeError. An instance inherits the transport bases that ``inner`` inherits, because
    other transports ask for these before they wrap it.

    Args:
        breaker: whose circuits these are.
        inner: the transport that makes the calls; closed with this one.
        circuit: a key, or a callable from the request to a key, or None: ``host:port``. A request
            whose key is invalid is not sent: a ``LocalProtocolError`` of its library, which is a
            ``ValueError`` too. The callable may name declared circuits: it is given requests of
            your own code.

    Raises:
        TypeError: ``inner`` is no transport, or ``circuit`` none of the above.
        ValueError: a key that names no circuit.
    """

    def __new__(
        cls,
        breaker: Breaker,  # noqa: ARG004 - __init__ takes it
        inner: Any,
        circuit: str | Callable[[Any], str] | None = None,  # noqa: ARG004 - __init__ takes it
    ) -> Self:
        """Make it an instance of what ``inner`` is an instance of."""
        kind: type[Self] = _class_for(cls, type(inner))  # type: ignore[arg-type] # they can be hashed
        return object.__new__(kind)

    def __init__(
        self,
        breaker: Breaker,
        inner: Any,
        circuit: str | Callable[[Any], str] | None = None,
    ) -> None:
        if isinstance(inner, type) or not any(hasattr(inner, call) for call in _CALLS):
            raise TypeError(f"inner must be an httpx or httpx2 transport, not {inner!r}")
        self._breaker = breaker
        self._inner = inner
        self._key = _checked(circuit)
        if isinstance(self._key, str):
            breaker._registry.keep(self._key)
        self._circuit: Circuit | None = None

    def __repr__(self) -> str:
        return f"<GuardedTransport around {self._inner!r}>"

    def handle_request(self, request: Any) -> Any:
        """Send a request; the body of the response is watched while it is read.

        Raises:
            CircuitOpenError: rejected; ``inner`` was not called.
        """
        send = self._inner.handle_request
        circuit = self._circuit_for(request)
        lease = Lease(circuit, admit(circuit))
        try:
            lease.enter(request)
            return lease.watch(request, send(request))
        except BaseException as error:
            lease.failed(error)
            raise
        finally:
            lease.leave(request)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request; the body of the response is watched while it is read.

        Raises:
            CircuitOpenError: rejected; ``inner`` was not called.
        """
        send = self._inner.handle_async_request
        circuit = self._circuit_for(request)
        lease = Lease(circuit, admit(circuit))
        try:
            lease.enter(request)
            return lease.watch(request, await send(request))
        except BaseException as error:
            lease.failed(error)
            raise
        finally:
            lease.leave(request)

    def close(self) -> None:
        """Close ``inner``."""
        self._inner.close()

    async def aclose(self) -> None:
        """Close ``inner``."""
        await self._inner.aclose()

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._inner.__exit__(kind, error, traceback)

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._inner.__aexit__(kind, error, traceback)

    def _circuit_for(self, request: Any) -> Circuit:
        if isinstance(self._key, str):
            # Not before the first request: the application may still be being put together, and
            # somebody give the circuit a configuration of its own. Held from then on.
            if self._circuit is None:
                self._circuit = self._breaker._own_circuit(self._key)
            return self._circuit
        key = self._key(request)
        try:
            return self._breaker.circuit(key)
        except (TypeError, ValueError):
            raise invalid_key(request, key) from None


def invalid_key(request: Any, key: object) -> Exception:
    """Return the error for a request whose key names no circuit: it is not sent.

    A ``LocalProtocolError`` of the request's own library, so that who handles errors of its client
    handles this one too, and a ``ValueError``. It quotes nothing: the key can be a stranger's.
    """
    fault = fault_of(key) if isinstance(key, str) else "must be a string"
    text = f"the request was not sent: a circuit's key {fault}"
    library = sys.modules.get(type(request).__module__.partition(".")[0])
    base = getattr(library, "LocalProtocolError", None)
    return ValueError(text) if base is None else _error_class_for(base)(text, request=request)


@cache
def _error_class_for(base: type[Exception]) -> type[Any]:
    return type("InvalidKeyError", (base, ValueError), {"__module__": __name__})


def host_and_port(request: Any) -> str:
    """Return the key of a request's host: ``api.example.com:443``, ``[::1]:8080``."""
    url = request.url
    host = url.host
    if ":" in host:
        host = f"[{host}]"
    return f"{host}:{url.port or _DEFAULT_PORTS.get(url.scheme, 0)}"


def _checked(circuit: object) -> str | Callable[[Any], str]:
    if circuit is None:
        return host_and_port
    if isinstance(circuit, str):
        return check_key(circuit)
    # A circuit, or the guard of a route, given in place of its key can be called as well.
    if (
        not callable(circuit)
        or isinstance(circuit, Circuit)
        or hasattr(circuit, "admit")
        or iscoroutinefunction(circuit)
        or iscoroutinefunction(type(circuit).__call__)
    ):
        raise TypeError(
            f"circuit must be a key, a function from the request to a key, or None, not {circuit!r}"
        )
    return circuit


@lru_cache(maxsize=64)
def _class_for(cls: type[Any], kind: type) -> type[Any]:
    bases = family_bases(kind, _FAMILY_BASES)
    return type(cls.__name__, (cls, *bases), {"__module__": cls.__module__, "__doc__": cls.__doc__})
