"""Modes switched at run time in fleets that hold earlier versions, which know nothing of them.

To those an override that sets the mode is one that was cleared: they go on as they are configured.
Each test also fails when an instance logs an error, or drops anything that it was told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.patience import PATIENCE

from .process import KEY, PREVIOUS, agree, until, until_agreed
from .server import arrived

if TYPE_CHECKING:
    from .process import Launcher, Process
    from .server import Server

pytestmark = [
    pytest.mark.parametrize("previous", PREVIOUS, indirect=True),
    pytest.mark.usefixtures("unhurried_answers"),
]

REGISTER = f"circuit#override:{{circuit:{KEY}}}"


def kinds(*processes: Process) -> list[str | None]:
    """Return the override that each process has."""
    return [process.kind() for process in processes]


def until_kinds(processes: list[Process], *wanted: str | None) -> None:
    until(lambda: kinds(*processes) == list(wanted), *processes)


def test_shadow_holds_on_the_new_and_is_no_matter_to_the_old(
    launch: Launcher, server: Server
) -> None:
    old, new, other = launch("previous", "current", "current")
    assert new.override("shadow") == "fleet"
    until_kinds([old, new, other], None, "shadow", "shadow")
    assert old.fail(times=3) == ["admitted"] * 3
    until_agreed(server, [old, new, other], "OPEN")  # the old one's word for all
    assert [one.call() for one in (old, new, other)] == ["rejected", "admitted", "admitted"]
    assert new.reset() == "fleet"
    until_agreed(server, [old, new, other], "CLOSED")
    assert kinds(old, new, other) == [None, "shadow", "shadow"]
    # What the new ones find in it binds nobody.
    new.fail(times=3)
    assert (new.state(), old.call(), new.call()) == ("OPEN", "admitted", "admitted")
    assert new.clear_override() == "fleet"
    until_agreed(server, [old, new, other], "OPEN")
    assert [one.call() for one in (old, new, other)] == ["rejected"] * 3


def test_orders_of_either_version_replace_each_other(launch: Launcher, server: Server) -> None:
    old, new = launch("previous", "current")
    old.override("forced_open")
    until_kinds([old, new], "forced_open", "forced_open")
    new.override("shadow")
    until_kinds([old, new], None, "shadow")
    assert [one.call() for one in (old, new)] == ["admitted"] * 2
    old.override("disabled")
    until_kinds([old, new], "disabled", "disabled")
    new.override("enforced")
    until_kinds([old, new], None, "enforced")
    old.clear_override()
    until_kinds([old, new], None, None)


def test_old_one_that_restores_what_it_knows_brings_no_mode_to_an_end(
    launch: Launcher, server: Server
) -> None:
    old, new = launch("previous", "current")
    old.override("forced_open")
    until_kinds([old, new], "forced_open", "forced_open")
    before = server.ask.hget(REGISTER, "override")
    new.override("shadow")
    until_kinds([old, new], None, "shadow")
    kept = server.ask.hget(REGISTER, "override")
    # A failover that has lost the last write: both see that, and write back what they know.
    server.ask.hset(REGISTER, "override", str(before))
    server.ask.client_kill_filter(_type="pubsub")
    until(lambda: server.ask.hget(REGISTER, "override") == kept, old, new)
    assert kinds(old, new) == [None, "shadow"]
    server.ask.flushall()
    server.ask.client_kill_filter(_type="pubsub")
    until(lambda: server.ask.hget(REGISTER, "override") == kept, old, new)
    (late,) = launch("current")
    until_kinds([old, new, late], None, "shadow", "shadow")


def test_versions_do_not_answer_each_other_about_a_mode(launch: Launcher, server: Server) -> None:
    processes = launch("previous", "current", "previous", "current")
    old, new, *_ = processes
    with server.ask.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("circuit:updates")
        channel.get_message(timeout=PATIENCE)
        for _ in range(5):
            new.override("shadow")
            until_kinds(processes, None, "shadow", None, "shadow")
            old.fail(times=3)
            until(lambda: {one.state() for one in processes} == {"OPEN"}, *processes)
            old.reset()
            until(lambda: {one.state() for one in processes} == {"CLOSED"}, *processes)
            new.clear_override()
            until_kinds(processes, None, None, None, None)
        said = len(arrived(channel))
    # Four orders and changes each time; a repetition after a slow answer is forgiven.
    assert 20 <= said <= 40
    assert agree(server, processes, "CLOSED")


def test_mode_ends_at_its_time_and_all_agree(launch: Launcher, server: Server) -> None:
    old, new = launch("previous", "current")
    new.override("shadow", seconds=0.5)
    until_kinds([old, new], None, "shadow")
    new.fail(times=3)
    until_agreed(server, [old, new], "OPEN")
    assert [one.call() for one in (old, new)] == ["rejected"] * 2
