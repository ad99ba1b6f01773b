"""The inbox in a real Chromium: with and without JavaScript, at a phone's width, in the dark, for everybody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import month
import pytest
from served import CHROMIUM, TOOL, hire, log_in, opened, served

pytestmark = pytest.mark.xdist_group("browser")

AXE = Path(__file__).with_name("axe.min.js")
ASKS = """
import asyncio, pathlib
from hitl_opa import Guard, ToolCall
from hitl_opa.model import Session
pathlib.Path("app.py").write_text("a = 1\\nb = 2\\n")
guard = Guard.open("hitl.yaml")
for tool, input in [
    ("Bash", {"command": "kubectl delete namespace staging"}),
    ("Edit", {"file_path": "app.py", "old_string": "b = 2", "new_string": "b = 3"}),
    ("Bash", {"command": "pytest -q " + "tests/some/long/path.py " * 60}),
    ("Bash", {"command": "mkdir build/a"}),
    ("Bash", {"command": "mkdir build/b"}),
    ("AskUserQuestion", {"questions": [{"question": "Which region?", "header": "R", "multiSelect": False,
        "options": [{"label": "eu", "description": "near"}, {"label": "us", "description": "cheap"}]}]}),
]:
    call = ToolCall(tool=tool, input=input, cwd=str(pathlib.Path.cwd()), session=Session(id="s1", principal="anna"))
    asyncio.run(guard.resolve(guard.rule_sync(call), None, "Because the tests passed."))
guard.close_sync()
"""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which calls wait for somebody who may decide them."""
    folder = tmp_path_factory.mktemp("office")
    (folder / "hitl.yaml").write_text("level: 1\ndurable: true\n")
    hire(folder)
    subprocess.run([sys.executable, "-c", ASKS], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def site(office: Path, tmp_path: Path) -> Iterator[str]:
    """A server with approvals of its own; the address of its inbox."""
    shutil.copytree(office, tmp_path, dirs_exist_ok=True)
    with served(tmp_path) as address:
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium: apt-get install chromium")
        pytest.skip("there is no Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, site: str) -> Iterator[Any]:
    """Opens the inbox, logged in; whatever the browser complains about fails the test."""
    complaints: list[str] = []
    contexts = []

    def visit(**settings: Any) -> Any:
        context = chromium.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        log_in(page, site)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def state(page: Any) -> str:
    text: str = page.locator(".badge.state").first.inner_text()
    return text


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_approve_and_reject(visit: Any, javascript: bool) -> None:
    page = opened(visit(java_script_enabled=javascript), "mkdir build/a")
    page.click("button.yes")
    page.wait_for_load_state()
    assert state(page) == "approved, not used yet"
    page.goto(page.url.rsplit("/approvals", 1)[0])
    opened(page, "kubectl delete")
    page.locator("summary", has_text="Say why").click()
    page.fill("#reason", "Not on a Friday.")
    page.select_option("#category", "policy-violation")
    page.click("button.no")
    page.wait_for_load_state()
    assert state(page) == "rejected"
    assert "Not on a Friday." in page.inner_text("main")


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_edit_answer_and_several(visit: Any, site: str, javascript: bool) -> None:
    page = opened(visit(java_script_enabled=javascript), "app.py")
    assert page.locator(".diff .add").inner_text() == "+b = 3"
    page.locator("summary", has_text="Change the input").click()
    page.fill("#input", page.input_value("#input").replace("b = 3", "b = 4"))
    page.locator("button", has_text="Approve the changed input").click()
    page.wait_for_load_state()
    assert state(page) == "approved, not used yet"
    assert "rita changed the input" in page.inner_text("main")
    page.goto(site)
    opened(page, "Which region?")
    page.get_by_label("eu").check()
    page.locator("button", has_text="Answer").click()
    page.wait_for_load_state()
    assert "eu" in page.locator("section", has_text="The agent asks").inner_text()
    page.goto(site)
    for name in ("build/a", "build/b"):
        page.locator("li", has_text=name).locator("input[type=checkbox]").check()
    page.locator("summary", has_text="Decide the picked").click()
    page.locator("button", has_text="Approve the picked").click()
    page.wait_for_load_state()
    assert "2 approved." in page.inner_text("main")


def test_what_is_risky_is_read_before_it_is_approved(visit: Any) -> None:
    from playwright.sync_api import expect

    page = opened(visit(viewport={"width": 390, "height": 500}), "kubectl delete")
    yes = page.locator("button.yes").first
    if not page.locator("#read-first").is_visible():  # the input fits above the buttons
        page.set_viewport_size({"width": 390, "height": 300})
        page.reload()
    assert yes.get_attribute("aria-disabled") == "true"
    page.locator("#typed").fill("approve Bash")
    yes.click(force=True)
    assert "/decide" not in page.url
    expect(yes).not_to_have_attribute("aria-disabled", "true")  # the click showed what was to be read
    yes.click()
    page.wait_for_load_state()
    assert state(page) == "approved, not used yet"


def test_keys(visit: Any, site: str) -> None:
    page = visit()
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.locator("li[aria-selected=true]").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_url("**/approvals/*")
    page.goto(site)
    opened(page, "mkdir build/a")
    page.keyboard.press("d")
    assert page.evaluate("document.activeElement.value") == "reject"
    assert state(page) == "waits for a decision"  # a key alone decides nothing
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    assert state(page) == "rejected"
    page.goto(site)
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.locator("#shortcuts").uncheck()
    page.locator("#keys button").click()
    page.keyboard.press("j")
    assert page.locator("li[aria-selected=true]").count() == 0


def test_the_queue_follows_without_reload(visit: Any, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    page = visit()
    new = page.locator("ul.queue > li", has_text="build/new")
    assert new.count() == 0
    subprocess.run([sys.executable, "-c", ASKS.replace("mkdir build/a", "mkdir build/new")], cwd=tmp_path, check=True)
    expect(new).to_have_count(1)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts(visit: Any, site: str, javascript: bool, scheme: Any) -> None:
    page = visit(java_script_enabled=javascript, color_scheme=scheme)
    page.goto(f"{site}/effectiveness")
    drawn, plotted = page.locator("figure.chart > svg"), page.locator("figure.chart canvas")
    assert (drawn.count(), plotted.count()) == ((1, 3) if javascript else (4, 0))
    if javascript:
        page.locator(".u-over").first.hover()
        assert "ask6" in "".join(page.locator(".u-legend").first.inner_text().split())
    page.locator("summary", has_text="day by day").click()
    assert page.get_by_role("cell", name="100.0 %").count() >= 1


PAGES = ["", "/history", "/sessions", "/sessions/s1", "/account", "/login", "/again", "/whatif", "/effectiveness"]
PAGES += ["/autonomy", "/grants"]


@pytest.mark.timeout(400)
def test_everybody_can_use_it(visit: Any, site: str) -> None:
    """WCAG 2.2 AA as far as axe-core can tell, at a phone's width in the dark and at a desk's by day."""
    for width, scheme in ((390, "dark"), (1280, "light")):
        page = visit(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
        paths = [site + path for path in PAGES]
        paths += [
            site.removesuffix("/inbox") + a
            for a in page.eval_on_selector_all("a.call", "all => all.map(a => a.getAttribute('href'))")
        ]
        for path in paths:
            page.goto(path)
            assert barriers(page) == [], path


@pytest.mark.timeout(400)
@pytest.mark.parametrize("full", [True, False], ids=["a month", "one call"])
def test_everybody_can_read_what_was_measured(chromium: Any, tmp_path: Path, full: bool) -> None:
    """The figures, the ladder, what-if and the oversight record, with much and with hardly anything in them."""
    if full:
        month.written(tmp_path)
    else:
        (tmp_path / "hitl.yaml").write_text("level: 1\ndurable: true\nagent: bot\n")
        call = "from hitl_opa import Guard, ToolCall; Guard.open().decide_sync(ToolCall(tool='Bash', input={}))"
        subprocess.run([sys.executable, "-c", call], cwd=tmp_path, check=True)
    hire(tmp_path)
    subprocess.run([TOOL, "report", "-o", "report.html"], cwd=tmp_path, check=True, capture_output=True)
    with served(tmp_path) as site:
        paths = [
            f"{site}/{page}" for page in ("effectiveness", "effectiveness?by=reviewer", "autonomy", "whatif?level=3")
        ]
        for width, scheme in ((390, "dark"), (1280, "light"))[: 2 if full else 1]:
            context = chromium.new_context(
                viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True
            )
            page = context.new_page()
            log_in(page, site)
            for path in [*paths, (tmp_path / "report.html").as_uri()]:
                page.goto(path)
                assert barriers(page) == [], (path, width, scheme)
                cut = "all => all.filter(e => e.scrollWidth > e.clientWidth && /^[a-z]+$/.test(e.innerText)).length"
                assert page.eval_on_selector_all("th, td", cut) == 0  # no word runs out of its cell
            context.close()


def barriers(page: Any) -> list[str]:
    """What keeps somebody from using the page as it stands open, and whether it must be moved sideways."""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.add_script_tag(path=AXE)
    found = page.evaluate(
        "axe.run({resultTypes: ['violations'], runOnly: "
        "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    said = [f"{v['id']}: {n['html']} {n['failureSummary']}" for v in found["violations"] for n in v["nodes"]]
    sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*said, *([f"{sideways} pixels too wide"] if sideways > 0 else [])]
