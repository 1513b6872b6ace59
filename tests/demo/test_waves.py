from __future__ import annotations

from demo_app.waves import Change, describe_followers, wave


def change(at: float, new: str, cause: str = "fleet") -> Change:
    return Change(at=int(at * 1_000_000), old="?", new=new, cause=cause)


def test_a_wave_begins_with_the_first_and_measures_the_others_from_it() -> None:
    arrivals = wave(
        {
            "a": [change(12.5, "OPEN")],
            "b": [change(10.0, "OPEN", "failures")],
            "c": [change(11.0, "OPEN")],
        },
        "OPEN",
        since=0,
    )
    assert [(one.shop, one.delay, one.heard) for one in arrivals] == [
        ("b", 0.0, False),
        ("c", 1.0, True),
        ("a", 2.5, True),
    ]
    assert describe_followers(arrivals) == "c after 1.0 ms, a after 2.5 ms"


def test_what_was_before_the_wave_and_other_states_are_no_part_of_it() -> None:
    arrivals = wave(
        {
            "a": [change(1, "OPEN"), change(5, "HALF_OPEN"), change(9, "OPEN")],
            "b": [change(2, "OPEN"), change(6, "CLOSED")],
            "c": [],
        },
        "OPEN",
        since=3_000_000,
    )
    assert [one.shop for one in arrivals] == ["a"]


def test_only_the_first_arrival_of_each_shop_counts() -> None:
    arrivals = wave({"a": [change(1, "OPEN"), change(7, "OPEN")]}, "OPEN", since=0)
    assert [one.delay for one in arrivals] == [0.0]


def test_no_arrival_is_no_wave() -> None:
    assert wave({"a": [], "b": []}, "OPEN", since=0) == []
    assert describe_followers([]) == ""
