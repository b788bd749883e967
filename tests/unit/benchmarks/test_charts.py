from __future__ import annotations

from xml.etree import ElementTree

from benchmarks.report.charts import OWN, draw_chart
from benchmarks.report.results import Metric, Table

RATE = Metric(name="rate", title="jobs", unit="1/s", more_is_better=True)
SVG = "{http://www.w3.org/2000/svg}"


def draw(**rows: list[float]) -> ElementTree.Element:
    table = Table(
        name="noop",
        title="No-op <jobs>",
        metrics=[RATE],
        rows={name: {"rate": values} for name, values in rows.items()},
    )
    return ElementTree.fromstring(draw_chart(table, RATE))


def find_bars(figure: ElementTree.Element) -> list[ElementTree.Element]:
    _paper, *bars = figure.iter(f"{SVG}rect")
    return bars


def test_bars_are_as_long_as_their_medians() -> None:
    figure = draw(toril=[40, 50, 60], huey=[20, 30, 20])

    lengths = [float(bar.attrib["width"]) for bar in find_bars(figure)]

    assert abs(lengths[0] / lengths[1] - 50 / 20) < 0.01


def test_the_best_is_on_top_and_toril_stands_out() -> None:
    figure = draw(huey=[20], toril=[50], bullmq=[30])

    titles = [text.text for text in figure.iter(f"{SVG}text") if text.get("text-anchor") == "end"]

    assert titles == ["Toril", "BullMQ for Node", "huey"]
    assert [bar.attrib["fill"] == OWN for bar in find_bars(figure)] == [True, False, False]


def test_a_title_is_text_whatever_it_holds() -> None:
    figure = draw(toril=[1])

    assert next(figure.iter(f"{SVG}text")).text == "No-op <jobs>"
