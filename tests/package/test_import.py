"""What ``import fastapi_hybrid_breaker`` loads: nobody pays for what they do not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

MOST = 90
"""Modules that the package may add to those of FastAPI (seconds would be the machine's)."""

LOADED = """
import sys
import fastapi
before = set(sys.modules)
{code}
print(*sorted(set(sys.modules) - before))
"""


def loaded_by(code: str) -> set[str]:
    run = [sys.executable, "-c", LOADED.format(code=code)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def libraries(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.fixture(scope="module")
def imported() -> set[str]:
    return loaded_by("import fastapi_hybrid_breaker")


@pytest.mark.parametrize(
    "library",
    [
        "redis",
        "pydantic_settings",
        "dotenv",
        "httpx",
        "httpx2",
        "typer",
        "click",
        "rich",
        "uvicorn",
    ],
)
def test_importing_the_package_loads_libraries_before_they_are_used(
    imported: set[str], library: str
) -> None:
    assert library not in libraries(imported)


@pytest.mark.parametrize("part", ["cli", "client", "telemetry", "testing", "fleet.session"])
def test_importing_the_package_loads_parts_that_nothing_uses_yet(
    imported: set[str], part: str
) -> None:
    name = f"fastapi_hybrid_breaker.{part}"
    assert not {module for module in imported if f"{module}.".startswith(f"{name}.")}


def test_importing_the_package_loads_too_many_modules(imported: set[str]) -> None:
    assert len(imported) <= MOST, sorted(imported)


def test_a_breaker_without_redis_loads_its_client() -> None:
    used = loaded_by(
        "from fastapi_hybrid_breaker import HybridBreaker\n"
        "HybridBreaker(fastapi.FastAPI(), redis=None).circuit('x').call_sync(int)"
    )
    assert "redis" not in libraries(used)


def test_a_breaker_with_redis_loads_its_client_when_it_is_made() -> None:
    """Not when it is started: the event loop would wait for the import."""
    used = loaded_by(
        "from fastapi_hybrid_breaker import HybridBreaker\nHybridBreaker(redis='redis://localhost')"
    )
    assert "redis" in libraries(used)


def test_guarding_a_transport_of_one_library_loads_the_other() -> None:
    used = loaded_by(
        "import httpx\n"
        "from fastapi_hybrid_breaker import HybridBreaker\n"
        "HybridBreaker(redis=None).transport(httpx.HTTPTransport(), circuit='x')"
    )
    assert "httpx2" not in libraries(used)
