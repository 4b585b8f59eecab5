"""Bar charts are well-formed pictures of the values they are given."""

from xml.etree import ElementTree as ET

from harness.bars import Bar, Panel, bar_chart

SVG = "{http://www.w3.org/2000/svg}"
PANELS = [
    Panel(
        title="requests <a second>",
        bars=[
            Bar(name="this", value=40.0, rounds=[30.0, 40.0, 50.0], ours=True),
            Bar(name="that", value=20.0),
        ],
        aim=60.0,
    ),
    Panel(title="CPU", bars=[Bar(name="this", value=1.5)]),
]


def drawn() -> ET.Element:
    return ET.fromstring(bar_chart(PANELS, title="T & co"))  # noqa: S314 - ours


def test_every_value_is_a_bar_as_long_as_it_says():
    bars = [one for one in drawn().iter(f"{SVG}rect") if one.get("width") != "100%"]

    lengths = [float(one.attrib["width"]) for one in bars]
    assert len(lengths) == 3
    assert lengths[0] == 2 * lengths[1]


def test_titles_names_values_and_the_aim_are_told():
    words = {one.text for one in drawn().iter(f"{SVG}text")}

    assert {"T & co", "requests <a second>", "CPU", "this", "that", "40.0", "aim 60"} <= words


def test_rounds_are_a_line_from_the_least_to_the_most():
    picture = drawn()
    bar = next(one for one in picture.iter(f"{SVG}rect") if one.get("width") != "100%")
    a_unit = float(bar.attrib["width"]) / 40
    line = next(one for one in picture.iter(f"{SVG}path") if "H" in one.attrib["d"])

    start, _, rest = line.attrib["d"].removeprefix("M").partition(" ")
    assert abs(float(rest.partition("H")[2]) - float(start) - 20 * a_unit) < 0.2
    assert float(start) == float(bar.attrib["x"]) + 30 * a_unit
