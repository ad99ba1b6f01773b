from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import msgspec
import pytest
from markdown_it import MarkdownIt

from hitl_opa.replay import Direction, Replayed, Summary, summarise
from hitl_opa.replay.reports import junit, markdown, sarif

Make = Callable[..., Replayed]
HOSTILE = "`x` | @octocat <img src=x onerror=alert(1)> [a](javascript:b)\n# heading\n\x1b[2J\u202e ``` </details> #1"


@pytest.fixture
def summary(changed: Make) -> Summary:
    document = msgspec.json.encode({"version": "1", "call": {"tool": HOSTILE, "input": {"command": HOSTILE}}})
    return summarise(
        [
            changed("allow:0:a", "allow:0:a"),
            changed("ask:0:custom.old", "allow:0:a", agent=HOSTILE, document=document, tool=HOSTILE),
            changed("allow:0:a", f"deny:0:{HOSTILE.replace(':', '')}", document=document),
            changed("allow:0:a", "allow:0:b"),
            Replayed(changed("allow:0:a", "allow:0:a").call, None, f"its payload {HOSTILE}"),
        ],
        notes=["a note"],
    )


def test_markdown_says_what_changed(summary: Summary) -> None:
    text = markdown(summary)
    assert "**4** calls replayed: **1 widened**, **1 tightened**, 1 for other reasons, 1 the same." in text
    assert "| `custom.old` |" in text
    assert "ask -\\> allow × 1" in text
    assert "### Not replayed" in text


def test_nothing_that_an_agent_typed_formats_links_or_mentions(summary: Summary) -> None:
    html = MarkdownIt("commonmark").enable("table").render(markdown(summary))
    assert "<img" not in html
    assert "javascript:" not in html.replace("[a](javascript:b)", "")
    assert html.count("<details>") == html.count("</details>") == 2
    outside = html
    while "<code>" in outside:
        before, _, rest = outside.partition("<code>")
        outside = before + rest.partition("</code>")[2]
    assert "@octocat" not in outside
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_markdown_fits_a_comment(changed: Make) -> None:
    many = [changed("ask:0:a", "allow:0:a", agent=f"agent-{n}" * 20) for n in range(500)]
    text = markdown(summarise(many))
    assert len(text) < 65_536
    assert text.endswith("… and more: see the JSON report.\n")


def test_without_a_decision_to_compare_with(changed: Make) -> None:
    one = changed("allow:0:a", "deny:0:b", number=1)
    summary = summarise([Replayed(msgspec.structs.replace(one.call, said=None), one.said)])
    assert "**1** calls judged; there was no decision to compare with." in markdown(summary)


@pytest.mark.parametrize(("fails", "count"), [({Direction.WIDENED}, 1), (set(Direction), 3), (set(), 0)])
def test_junit(summary: Summary, fails: set[Direction], count: int) -> None:
    suite = ElementTree.fromstring(junit(summary, fails))
    assert suite.get("failures") == str(count)
    assert len(suite.findall("testcase/failure")) == count
    assert suite.get("tests") == str(len(suite.findall("testcase")))
    assert suite.get("skipped") == str(len(suite.findall("testcase/skipped"))) == "1"


def test_sarif_points_at_rules(summary: Summary) -> None:
    value = sarif(summary, {"custom.old": ("policy/old.rego", 7)}, "hitl.yaml")
    (run,) = value["runs"]
    assert value["version"] == "2.1.0"
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["partialFingerprints"]["change/v1"]
    levels = {result["ruleId"]: result["level"] for result in run["results"]}
    assert levels["custom.old"] == "error"
    assert levels["b"] == "note"
    places = {r["ruleId"]: r["locations"][0]["physicalLocation"] for r in run["results"]}
    assert places["custom.old"] == {"artifactLocation": {"uri": "policy/old.rego"}, "region": {"startLine": 7}}
    assert places["b"]["artifactLocation"]["uri"] == "hitl.yaml"
    notes = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert notes[0] == "a note"
    assert "could not be replayed" in notes[1]
