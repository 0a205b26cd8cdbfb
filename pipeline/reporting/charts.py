"""Where marks stand in a chart. Templates draw them as SVG and CSS, so that they follow the page's colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# of a chart's own coordinates, about the pixels of a phone, so that its letters stay legible there
WIDTH, HEIGHT = 360.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 10.0, 10.0, 30.0
# a line needs no more points than a screen has columns
_POINTS = 720


@dataclass(frozen=True)
class Scale:
    """A line from `low` to `high`; `place` gives the share of it in percent, held within it."""

    low: float
    high: float

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def list_ticks(self, most: int = 8) -> list[tuple[float, str]]:
        """Round values in it, and how to write them."""
        step = _round_step((self.high - self.low) / most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        values = [number * step for number in range(first, last + 1)]
        return [(value, set_minus(f"{value:g}" if digits > 3 else f"{value:.{digits}f}")) for value in values]


def set_minus(number: str) -> str:
    """A written number with a minus as wide as its plus."""
    return number.replace("-", "−", 1) if number.startswith("-") else number


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten: the first that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def build_scale(values: Sequence[float], margin: float = 0.04) -> Scale:
    """A scale that holds all values that are numbers, with some room beside them."""
    known = [value for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = (high - low) * margin if high > low else abs(high) * 0.04 or 1.0
    return Scale(low - room, high + room)


@dataclass(frozen=True)
class Line:
    """A line of a chart: what it is, its class, its path, and its points where they are few enough to be marked."""

    label: str
    kind: str
    path: str
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """A chart of lines over steps, in its own coordinates."""

    title: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[Line]


def build_curve(title: str, series: Sequence[tuple[str, str, Sequence[tuple[float, float]]]]) -> Curve | None:
    """A chart of lines; None where no line has a point.

    Args:
        series: a label, a class for its colour, and (step, value) for each line.
    """
    known = [(label, kind, [p for p in points if math.isfinite(p[1])]) for label, kind, points in series]
    known = [one for one in known if one[2]]
    if not known:
        return None
    xs = build_scale([x for _, _, points in known for x, _ in points], 0.0)
    ys = build_scale([y for _, _, points in known for _, y in points])

    def locate(x: float, y: float) -> tuple[float, float]:
        return _locate_x(xs, x), _locate_y(ys, y)

    lines = []
    for label, kind, points in known:
        places = [locate(*point) for point in thin(points)]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        lines.append(Line(label, kind, path, places if len(places) <= 24 else []))
    x_ticks = [(_locate_x(xs, value), text) for value, text in xs.list_ticks(6)]
    y_ticks = [(_locate_y(ys, value), text) for value, text in ys.list_ticks()]
    return Curve(title, x_ticks, y_ticks, lines)


def _locate_x(scale: Scale, value: float) -> float:
    return round(LEFT + scale.place(value) / 100 * (WIDTH - LEFT - RIGHT), 1)


def _locate_y(scale: Scale, value: float) -> float:
    return round(TOP + (1 - scale.place(value) / 100) * (HEIGHT - TOP - BOTTOM), 1)


def thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Every so many-th point, the last one with them."""
    step = max(1, len(points) // _POINTS)
    return [*points[::step], *([points[-1]] if (len(points) - 1) % step else [])]
