"""A chart of lines over time, as an SVG that needs nothing else: no script, no font of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 800, 340
LEFT, RIGHT, TOP, BOTTOM = 60, 780, 76, 270
AXIS_Y, TICKS_Y, LABEL_Y = 286, 306, 328
"""Between the plot and its axis stand the marks."""
LEGEND_Y, PER_LETTER, SAMPLE = 54, 6.4, 30
INK, GRID = "#24292f", "#d8dee4"
FONT = 'font-family="Helvetica, Arial, sans-serif" font-size="12"'
STEPS = (1, 2, 5, 10, 20, 30, 50, 60, 100, 120, 200, 300, 600)
"""Of an axis: whatever makes no more than ten of them."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line through (seconds, value) points; stepped: a value holds until the next point."""

    label: str
    colour: str
    points: Sequence[tuple[float, float]]
    width: float = 1.6
    stepped: bool = False


@dataclass(frozen=True, slots=True)
class Area:
    """From one time to another, and from one value to another."""

    from_s: float
    to_s: float
    low: float
    high: float


class Chart:
    """Lines and marks from 0 to `shown_s` seconds and from 0 to `top`."""

    def __init__(self, title: str, shown_s: float, top: float, x_says: str, y_says: str) -> None:
        self._title = title
        self._shown_s = shown_s
        self._top = top
        self._says = x_says, y_says
        self._parts: list[str] = []
        self._legend_x = float(LEFT)

    def add(self, line: Line) -> None:
        """Draw a line over what is drawn."""
        style = (
            f'fill="none" stroke="{line.colour}" stroke-width="{line.width:g}" '
            'stroke-linejoin="round"'
        )
        self._parts += [f'<path d="{path}" {style}/>' for path in self._paths(line)]
        x = self._legend(line.label)
        self._parts.append(f'<path d="M{x:g} {LEGEND_Y - 4}h{SAMPLE - 8}" {style}/>')

    def shade(self, label: str, colour: str, areas: Sequence[Area]) -> None:
        """Fill areas over what is drawn."""
        for area in areas:
            x, y = self._x(area.from_s), self._y(area.high)
            wide, high = self._x(area.to_s) - x, self._y(area.low) - y
            self._parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" '
                f'fill="{colour}"/>'
            )
        x = self._legend(label)
        self._parts.append(
            f'<rect x="{x:g}" y="{LEGEND_Y - 11}" width="{SAMPLE - 8}" height="14" '
            f'fill="{colour}"/>'
        )

    def mark(self, label: str, colour: str, times_s: Sequence[float]) -> None:
        """Draw a mark below the plot at each of some times; their label stands below the axis."""
        marks = "".join(f"M{self._x(at_s):.1f} {BOTTOM + 4}v9" for at_s in times_s)
        self._parts.append(f'<path d="{marks}" stroke="{colour}" stroke-width="1.2"/>')
        self._parts.append(
            f'<text x="{RIGHT}" y="{LABEL_Y}" text-anchor="end" fill="{colour}">'
            f"| {escape(label)}</text>"
        )

    def svg(self) -> str:
        """Return the whole picture."""
        title = escape(self._title)
        size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        frame = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {FONT} fill="{INK}">',
            f"<title>{title}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="28" font-size="15" font-weight="bold">{title}</text>',
        ]
        return "\n".join([*frame, *self._axes(), *self._parts, "</svg>", ""])

    def _legend(self, label: str) -> float:
        """Write a label beside those before; return where its sample begins."""
        x = self._legend_x
        self._parts.append(f'<text x="{x + SAMPLE:g}" y="{LEGEND_Y}">{escape(label)}</text>')
        self._legend_x = round(x + SAMPLE + PER_LETTER * len(label) + 14)
        return x

    def _axes(self) -> list[str]:
        x_says, y_says = self._says
        parts = []
        for value in _ticks(self._top):
            y = self._y(value)
            parts.append(f'<path d="M{LEFT} {y:g}H{RIGHT}" stroke="{GRID}"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{y + 4:g}" text-anchor="end">{value:g}</text>')
        for value in _ticks(self._shown_s):
            x = self._x(value)
            parts.append(f'<path d="M{x:g} {AXIS_Y}v5" stroke="{INK}"/>')
            parts.append(f'<text x="{x:g}" y="{TICKS_Y}" text-anchor="middle">{value:g}</text>')
        middle_x, middle_y = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2
        parts.append(f'<path d="M{LEFT} {TOP}V{AXIS_Y}H{RIGHT}" fill="none" stroke="{INK}"/>')
        parts.append(
            f'<text x="{middle_x:g}" y="{LABEL_Y}" text-anchor="middle">{escape(x_says)}</text>'
        )
        parts.append(
            f'<text transform="translate(20 {middle_y:g}) rotate(-90)" text-anchor="middle">'
            f"{escape(y_says)}</text>"
        )
        return parts

    def _x(self, at_s: float) -> float:
        return LEFT + (RIGHT - LEFT) * min(at_s, self._shown_s) / self._shown_s

    def _y(self, value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * min(value, self._top) / self._top

    def _paths(self, line: Line) -> list[str]:
        """Return what to draw; where a value is infinite, nothing is."""
        paths, path = [], ""
        ends = [*(at_s for at_s, _ in line.points[1:]), self._shown_s]
        for (at_s, value), end_s in zip(line.points, ends, strict=True):
            if at_s > self._shown_s:
                break
            if value == math.inf:
                paths.append(path)
                path = ""
                continue
            x, y = self._x(at_s), self._y(value)
            if not path:
                path = f"M{x:.1f} {y:.1f}"
            else:
                path += f"V{y:.1f}" if line.stepped else f"L{x:.1f} {y:.1f}"
            if line.stepped:
                path += f"H{self._x(end_s):.1f}"
        return [one for one in [*paths, path] if one]


def _ticks(most: float) -> list[float]:
    step = next((step for step in STEPS if most / step <= 10), STEPS[-1])
    return [float(step * number) for number in range(math.floor(most / step) + 1)]
