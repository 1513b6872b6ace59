"""``circuit(key)``: the guard of a FastAPI route, a dependency."""

# No "from __future__ import annotations" here: FastAPI reads the annotation of ``connection``,
# and finds no module to look a string up in when a dependency is an object.

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, NoReturn
from weakref import WeakValueDictionary

from fastapi.params import Depends
from starlette.requests import HTTPConnection

from fastapi_hybrid_breaker.circuits.circuit import Circuit
from fastapi_hybrid_breaker.circuits.misuse import NotADependency
from fastapi_hybrid_breaker.core.errors import CircuitOpenError, NotInstalledError
from fastapi_hybrid_breaker.core.keys import check_key
from fastapi_hybrid_breaker.public_keys import in_routes, is_key_public

from .problem import RouteRejectedError, WebSocketRejectedError, can_respond
from .record import SCOPE_KEY, RouteRequest
from .request_keys import InvalidKeyError, InvalidWebSocketKeyError, RequestKey

KeyOf = Callable[[HTTPConnection], str]

_NOT_INSTALLED: Final = (
    "no HybridBreaker is installed here: call breaker.install(app), or HybridBreaker(app), for"
    " the application of this route or the one it is mounted in (a guard belongs on a route, a"
    " router or a mount; the middleware of the application lies outside of what it needs)"
)


def _refusing_functions(
    guard: "Callable[[RouteGuard, HTTPConnection], Awaitable[Circuit | None]]",
) -> "Callable[[RouteGuard, HTTPConnection], Awaitable[Circuit | None]]":
    """Make ``@circuit("x")`` on a function fail at once: ``guard`` would return a coroutine.

    FastAPI looks at what is wrapped, and so sees its signature and that it has to be awaited.
    """

    @functools.wraps(guard)
    def call(self: "RouteGuard", connection: HTTPConnection) -> Awaitable[Circuit | None]:
        if not isinstance(connection, HTTPConnection):
            raise TypeError(
                f"{self!r} is not a decorator: for a route write"
                f" dependencies=[Depends({self!r})], for another function"
                f" @breaker.circuit({self.key!r})"
            )
        return guard(self, connection)

    return call


class RouteGuard(Depends):
    """The dependency that ``circuit`` makes. Equal to every other one of the same key.

    It only admits; the middleware settles. So it needs no ``yield``, which would cost three
    times as much and never see the status.

    It is what ``Depends`` takes, not what ``Depends`` returns. It is a subclass only for those who
    forget ``Depends``: FastAPI takes any other default value of a parameter for one of the query,
    but asks this for its ``dependency``.
    """

    def __init__(self, key: str | KeyOf, *, allow_declared: bool = False) -> None:
        self.key: str | KeyOf = key
        self._request_key = (
            None if isinstance(key, str) else RequestKey(key, allow_declared=allow_declared)
        )

    def __repr__(self) -> str:
        return f"circuit({self.key!r})"

    # By identity, not by fields: there is one guard for each key.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @property
    def dependency(self) -> NoReturn:
        """What FastAPI asks a ``Depends`` for.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"Depends is missing: write Depends({self!r}), not {self!r} alone")

    @_refusing_functions
    async def __call__(self, connection: HTTPConnection) -> Circuit | None:
        """Admit the request, or raise a 503 that is a ``CircuitOpenError`` too."""
        return self.admit(connection)

    def admit(self, connection: HTTPConnection) -> Circuit | None:
        """Admit the request to the circuit of the nearest installed breaker.

        Routes of the admin router are not guarded, and make no key of their connection (None).

        Raises:
            CircuitOpenError: rejected.
            NotInstalledError: no breaker is installed here.
            InvalidKeyError, InvalidWebSocketKeyError: no key can be made of the connection.
        """
        scope = connection.scope
        record = scope.get(SCOPE_KEY)
        if not isinstance(record, RouteRequest):
            raise NotInstalledError(_NOT_INSTALLED)
        registry = record.breaker._registry
        if isinstance(self.key, str):
            registry.keep(self.key)
            circuit = registry.find_or_make(self.key)
        elif record.is_uncounted or self._request_key is None:
            return None
        else:
            try:
                circuit = self._request_key.circuit_for(connection, registry, in_routes)
            except (InvalidKeyError, InvalidWebSocketKeyError):
                record.is_uncounted = True  # it must not count for other guards
                raise
        try:
            record.enter(circuit)
        except CircuitOpenError as error:
            kind = RouteRejectedError if can_respond(scope) else WebSocketRejectedError
            is_public = is_key_public(registry, error.key)
            raise kind(*error.args, is_public=is_public, state=error.state) from None
        return circuit


# One guard for each key, so that they are equal by being the same: FastAPI hashes a dependency
# several times in each request, and an own method for that would cost as much as all the rest.
# Those of keys are in ``in_routes``, these of callables.
_made: WeakValueDictionary[tuple[KeyOf, bool], RouteGuard] = WeakValueDictionary()


_NOT_CALLED: Final = NotADependency(
    'circuit has no key here, so the client would choose one: write Depends(circuit("key")), not'
    " Depends(circuit)"
)


def circuit(
    key: Annotated[str | KeyOf, _NOT_CALLED], *, allow_declared: bool = False
) -> RouteGuard:
    """Guard a route: ``@app.get("/stock", dependencies=[Depends(circuit("inventory-api"))])``.

    Also as a parameter, whose value is the ``Circuit``: ``Annotated[Circuit,
    Depends(circuit("inventory-api"))]``; on WebSocket routes too; and on a router or an
    application for all its routes (those of an admin router are never guarded; where the key is
    a callable, it is not called for them and the value is None). The nearest installed
    ``HybridBreaker`` is used.

    Args:
        key: the circuit's key, or a callable that makes it from the connection, called with
            each request; its answers should be few. Where it makes no valid key, or raises what
            the application does not answer otherwise, the request is answered 400.
        allow_declared: whether such a callable may name circuits of the code: those that
            ``circuits=`` declares, or whose key stands at another route or at a transport. By
            default those requests are answered 400 as well, for the key may be the client's.

    Raises:
        ValueError: the key names no circuit.
        TypeError: the key is neither a string nor a callable, or an async one.
    """
    if isinstance(key, str):
        key = check_key(key)
        of_key: RouteGuard | None = in_routes.get(key)
        if of_key is None:
            of_key = in_routes[key] = RouteGuard(key)
        return of_key
    _check_key_of(key)
    try:
        guard = _made.get((key, allow_declared))
        if guard is None:
            guard = RouteGuard(key, allow_declared=allow_declared)
            _made[key, allow_declared] = guard
    except TypeError:  # it cannot be hashed
        return RouteGuard(key, allow_declared=allow_declared)
    return guard


def _check_key_of(given: object) -> None:
    """Refuse what cannot make a key of a connection, such as a function that is decorated."""
    wanted = (
        "circuit() needs a key, or a callable that returns one for a connection (no async"
        f" one), not {given!r}"
    )
    if not callable(given) or isinstance(given, Circuit):
        raise TypeError(wanted)
    for call in (given, inspect.unwrap(type(given).__call__)):
        if inspect.iscoroutinefunction(call):
            raise TypeError(wanted)
    try:
        inspect.signature(given).bind(None)
    except TypeError:
        raise TypeError(wanted) from None
    except ValueError:  # some builtins have no signature
        pass
