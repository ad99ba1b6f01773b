from __future__ import annotations

from xml.etree import ElementTree

import pytest

from hitl_opa.oversight.charts import columns

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
