"""What goes wrong, each with its cure."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from tests.web.servers import request

from .upstreams import SHAKY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from .world import World

Fault = Callable[["World", "Random"], AbstractContextManager[None]]


@contextmanager
def redis_is_killed(world: World, _: Random) -> Iterator[None]:
    world.redis.kill()
    yield
    world.redis.start()  # empty: it keeps nothing on disk


@contextmanager
def redis_is_stopped(world: World, _: Random) -> Iterator[None]:
    world.redis.hang()
    yield
    world.redis.resume()


@contextmanager
def redis_is_flushed(world: World, _: Random) -> Iterator[None]:
    world.redis.ask.flushall()
    yield


@contextmanager
def redis_forgets_scripts_and_clients(world: World, _: Random) -> Iterator[None]:
    world.redis.ask.script_flush()
    for kind in ("normal", "pubsub"):
        world.redis.ask.execute_command("CLIENT", "KILL", "TYPE", kind)
    yield


@contextmanager
def redis_is_full(world: World, _: Random) -> Iterator[None]:
    world.redis.ask.config_set("maxmemory", "1")
    yield
    world.redis.ask.config_set("maxmemory", "0")


@contextmanager
def link_is_cut(world: World, random: Random) -> Iterator[None]:
    for _ in range(random.randint(1, 5)):
        world.link.cut()
        time.sleep(random.uniform(0.0, 0.2))
    yield


@contextmanager
def link_swallows_all(world: World, _: Random) -> Iterator[None]:
    world.link.hold()
    yield
    world.link.release()


@contextmanager
def link_is_slow(world: World, random: Random) -> Iterator[None]:
    world.link.delay(random.uniform(0.05, 0.8))
    yield
    world.link.delay(0.0)


@contextmanager
def upstream_fails(world: World, _: Random) -> Iterator[None]:
    url = f"{world.upstreams[SHAKY].url}/-/mode"
    request("POST", f"{url}/broken").raise_for_status()
    yield
    request("POST", f"{url}/well").raise_for_status()


@contextmanager
def upstream_is_killed(world: World, _: Random) -> Iterator[None]:
    world.upstreams[SHAKY].kill()
    yield
    world.upstreams[SHAKY].start()


@contextmanager
def upstream_is_stopped(world: World, _: Random) -> Iterator[None]:
    world.upstreams[SHAKY].stop()
    yield
    world.upstreams[SHAKY].resume()


@contextmanager
def worker_is_killed(world: World, random: Random) -> Iterator[None]:
    pid = random.choice(sorted(world.views()))
    world.deaths.append(time.monotonic())
    os.kill(pid, signal.SIGKILL)
    yield


@contextmanager
def worker_is_stopped(world: World, random: Random) -> Iterator[None]:
    pid = random.choice(sorted(world.views()))
    os.kill(pid, signal.SIGSTOP)
    yield
    os.kill(pid, signal.SIGCONT)


OF_REDIS: tuple[Fault, ...] = (
    redis_is_killed,
    redis_is_stopped,
    redis_is_flushed,
    redis_forgets_scripts_and_clients,
    redis_is_full,
    link_is_cut,
    link_swallows_all,
    link_is_slow,
)
OF_PROCESSES: tuple[Fault, ...] = (
    upstream_fails,
    upstream_is_killed,
    upstream_is_stopped,
    worker_is_killed,
    worker_is_stopped,
)
KINDS = (OF_REDIS, OF_PROCESSES)
"""One of each kind may be under way at a time."""
