"""Scales, ticks and curves."""

import math

import pytest

from pipeline.reporting.charts import LEFT, WIDTH, Scale, build_curve, build_scale, thin


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.2137, 0.481, ["0.25", "0.30", "0.35", "0.40", "0.45"]),
        (-1.5, 0.1, ["−1.5", "−1.0", "−0.5", "0.0"]),
        (0, 1575, ["0", "500", "1000", "1500"]),
        (0, 0.0002, ["0", "5e-05", "0.0001", "0.00015", "0.0002"]),
    ],
)
def test_ticks_are_round_and_inside(low, high, texts):
    assert [text for _, text in Scale(low, high).list_ticks(6)] == texts


def test_place_is_in_percent_and_never_outside():
    assert [Scale(0, 4).place(value) for value in (-1, 0, 1, 4, 9)] == [0, 0, 25, 100, 100]


def test_scale_of_one_value_or_none_has_width():
    for values in ([0.5], [0.0], [], [math.nan]):
        scale = build_scale(values)
        assert scale.low < scale.high


def test_curve_leaves_out_losses_that_are_no_numbers():
    curve = build_curve(
        "loss", [("training", "one", [(10, 1.0), (20, math.nan), (30, 0.5)]), ("validation", "two", [])]
    )
    (line,) = curve.lines
    assert line.path.count("L") == 1
    assert line.points[0][0] == LEFT
    assert line.points[1][0] == pytest.approx(WIDTH - 10)
    assert build_curve("loss", [("training", "one", [(10, math.nan)])]) is None


def test_a_long_curve_is_thinned_and_keeps_its_end():
    points = [(float(i), 0.0) for i in range(10_000)]
    kept = thin(points)
    assert len(kept) < 1500
    assert kept[-1] == points[-1]
    assert thin(points[:3]) == points[:3]
