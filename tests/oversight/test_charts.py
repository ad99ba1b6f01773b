from __future__ import annotations

from xml.etree import ElementTree

import pytest

from hitl_opa.oversight.charts import bars as horizontal
from hitl_opa.oversight.charts import columns, lines

SVG = "{http://www.w3.org/2000/svg}"


def bars(svg: str) -> list[tuple[float, float, str]]:
    """Top, height and words of each column."""
    root = ElementTree.fromstring(svg)
    found = []
    for rect in root.iter(f"{SVG}rect"):
        title = rect.find(f"{SVG}title")
        if title is not None:
            found.append((float(rect.get("y", "")), float(rect.get("height", "")), title.text or ""))
    return found


def test_columns_are_stacked_to_scale() -> None:
    svg = columns("T", ["a", "b"], {"allow": [4, 0], "deny": [4, 2]})
    (y1, h1, w1), (y2, h2, w2), (_, h3, w3) = bars(svg)
    assert (w1, w2, w3) == ("a: 4 allow", "a: 4 deny", "b: 2 deny")
    assert h1 == h2 == pytest.approx(2 * h3, abs=0.2)
    assert y2 + h2 == pytest.approx(y1, abs=0.2)
    assert [t.text for t in ElementTree.fromstring(svg).iter(f"{SVG}text")][1:6] == ["0", "2", "4", "6", "8"]


def test_many_days_are_summed_up_in_groups() -> None:
    svg = columns("T", [str(n) for n in range(365)], {"allow": [1] * 365}, [1] * 365)
    found = bars(svg)
    assert len(found) <= 62
    assert sum(int(words.split(": ")[1].split()[0]) for _, _, words in found) == 365


@pytest.mark.parametrize(("names", "values"), [([], []), (["a"], [0])])
def test_nothing_to_draw(names: list[str], values: list[int]) -> None:
    assert bars(columns("T", names, {"allow": values})) == []


def test_any_text_fits() -> None:
    svg = columns('<a> & "b"', ["<c>"], {"<d>": [1]})
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == '<a> & "b"'
    assert bars(svg)[0][2] == "<c>: 1 <d>"


def test_bars_are_to_scale_and_say_how_many() -> None:
    svg = horizontal("T", [("a", {"allow": 6, "deny": 2}), ("<b>" * 50, {"allow": 4})])
    root = ElementTree.fromstring(svg)
    wide = {
        t.text: float(r.get("width", "")) for r in root.iter(f"{SVG}rect") if (t := r.find(f"{SVG}title")) is not None
    }
    assert wide["a: 6 allow"] == pytest.approx(3 * wide["a: 2 deny"], abs=0.2)
    assert wide["a: 6 allow"] == pytest.approx(1.5 * wide[f"{'<b>' * 50}: 4 allow"], abs=0.2)
    texts = ["".join(t.itertext()) for t in root.iter(f"{SVG}text")]
    assert {"8", "4"} <= set(texts)
    assert all(len(text) <= 90 + len("<b>" * 50) for text in texts)


def test_lines_leave_out_what_is_not_known_and_never_leave_the_chart() -> None:
    svg = lines("T", ["a", "b", "c"], {"x": [50.0, None, 100.0], "y": [None, None, None], "z": [500.0, 0.0, 0.0]}, "%")
    points = [line.get("points", "").split() for line in ElementTree.fromstring(svg).iter(f"{SVG}polyline")]
    assert [len(line) for line in points] == [2, 0, 3]
    assert float(points[0][0].split(",")[1]) == pytest.approx((28 + 176) / 2, abs=0.2)
    assert points[2][0].split(",")[1] == points[0][1].split(",")[1] == "28.0"
    dashes = {line.get("stroke-dasharray") for line in ElementTree.fromstring(svg).iter(f"{SVG}polyline")}
    assert len(dashes) == 3
