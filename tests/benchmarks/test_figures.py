"""Percentiles and ratios, where they can be worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.figures import Measured, percentile


@pytest.mark.parametrize(
    ("values", "percent", "wanted"),
    [
        ([5.0], 10, 5.0),
        ([3.0, 1.0, 2.0], 0, 1.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([3.0, 1.0, 2.0], 100, 3.0),
        ([0.0, 10.0], 25, 2.5),
        (list(range(11)), 10, 1.0),
    ],
)
def test_percentiles(values: list[float], percent: float, wanted: float) -> None:
    assert percentile(values, percent) == wanted


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 101), ([1.0], -1)])
def test_no_percentile_of_nothing_or_beyond_the_ends(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_a_ratio_is_of_the_10th_percentiles_so_that_a_noisy_round_does_not_move_it() -> None:
    quiet = Measured((2.0,) * 11, calls=1)
    noisy = Measured((6.0,) * 10 + (600.0,), calls=1)
    assert noisy.over(quiet) == 3.0


def test_the_figures_are_told_in_nanoseconds_beside_those_of_the_floor() -> None:
    floor = Measured((1e-7,) * 3, calls=50)
    told = Measured((2e-7, 3e-7, 4e-7), calls=20).describe(floor)
    assert told == {
        "median_ns": 300.0,
        "p10_ns": 220.0,
        "p90_ns": 380.0,
        "rounds": 3,
        "calls_per_round": 20,
        "ratio": 2.2,
        "ratio_of_medians": 3.0,
    }
    assert "ratio" not in floor.describe()
