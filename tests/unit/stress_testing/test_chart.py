"""Charts are well-formed pictures of the points they are given."""

from xml.etree import ElementTree as ET

from harness.chart import line_chart

SERIES = {"one & only": [(0.0, 10.0), (5.0, 20.0)], "other": [(0.0, 0.0), (10.0, 37.0)]}


def test_every_series_is_a_line_with_its_name():
    picture = ET.fromstring(line_chart(SERIES, title="T", across="reports", up="MiB"))  # noqa: S314 - ours

    names = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    lines = [*picture.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(lines) == 2
    assert {"one & only", "other", "T", "reports", "MiB"} <= set(names)
    assert all(line.attrib["points"].count(",") == 2 for line in lines)


def test_the_axis_ends_at_a_round_number_above_every_point():
    drawn = line_chart(SERIES, title="", across="", up="")

    assert ">50<" in drawn
