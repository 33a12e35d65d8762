from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

from benchmarks.pacing.chart import Area, Chart, Line

SVG = "{http://www.w3.org/2000/svg}"


def chart() -> Chart:
    return Chart("More <than> one & all", 60, 10, "seconds", "calls a second")


def paths(svg: str, colour: str) -> list[str]:
    return [
        path.attrib["d"]
        for path in ET.fromstring(svg).iter(f"{SVG}path")  # noqa: S314  # we made it
        if path.attrib.get("stroke") == colour
    ]


def test_everything_that_is_drawn_is_named_as_text() -> None:
    made = chart()
    made.shade("taken", "silver", [Area(0, 10, 5, 10)])
    made.add(Line("let through", "blue", [(0, 5)], stepped=True))
    made.mark("refused: 1", "red", [3.0])
    texts = [text.text for text in ET.fromstring(made.svg()).iter(f"{SVG}text")]  # noqa: S314  # as above
    assert {"More <than> one & all", "taken", "let through", "| refused: 1"} <= set(texts)
    assert {"seconds", "calls a second", "0", "60", "10"} <= set(texts)


def test_what_is_infinite_is_not_drawn() -> None:
    made = chart()
    made.add(Line("", "blue", [(0, math.inf), (20, 5), (30, math.inf), (40, 6)], stepped=True))
    *lines, _ = paths(made.svg(), "blue")
    assert lines == ["M300.0 173.0H420.0", "M540.0 153.6H780.0"]


def test_nothing_is_drawn_outside_of_the_plot() -> None:
    made = chart()
    made.add(Line("", "blue", [(0, 5), (20, 500), (50, 2), (90, 7)]))
    line, _ = paths(made.svg(), "blue")
    points = [tuple(map(float, point)) for point in re.findall(r"([\d.]+) ([\d.]+)", line)]
    assert len(points) == 3
    assert all(60 <= x <= 780 and 76 <= y <= 270 for x, y in points)
