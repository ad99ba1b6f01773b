"""The pictures of the documentation, from the real inbox in a real browser: ``make screenshots``."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
PASSWORD = "a long enough password"
ASKS = """
import asyncio, pathlib
from hitl_opa import Guard, ToolCall
from hitl_opa.model import Session
pathlib.Path("app.py").write_text("import os\\n\\ndef main():\\n    print('hello')\\n    return 1\\n")
guard = Guard.open("hitl.yaml")
for tool, input, why in [
    ("Bash", {"command": "pytest -q"}, ""),
    ("Edit", {"file_path": "app.py", "old_string": "    print('hello')\\n    return 1",
        "new_string": "    name = os.environ.get('NAME', 'world')\\n    print(f'hello {name}')\\n    return 0"}, ""),
    ("AskUserQuestion", {"questions": [{"question": "Which region should the new cluster run in?", "header": "Region",
        "multiSelect": False, "options": [{"label": "eu", "description": "near"}]}]}, ""),
    ("Bash", {"command": "kubectl delete namespace staging && helm uninstall web -n staging"},
        "The old staging environment is not needed any more."),
]:
    call = ToolCall(tool=tool, input=input, cwd=str(pathlib.Path.cwd()), session=Session(id="s1", principal="anna"))
    asyncio.run(guard.resolve(guard.rule_sync(call), None, why))
guard.close_sync()
"""


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("there is no chromium: install it first")
    tool = str(Path(sys.executable).with_name("hitl-opa"))
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "hitl.yaml").write_text("level: 1\ndurable: true\n")
        add = [tool, "users", "add", "rita", "--group", "sre", "--password-stdin"]
        subprocess.run(add, input=PASSWORD, text=True, cwd=folder, check=True)
        subprocess.run([sys.executable, "-c", ASKS], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = subprocess.Popen([tool, "serve", "--port", str(port)], cwd=folder, stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                desk = browser.new_page(viewport={"width": 1000, "height": 640})
                log_in(desk, f"http://127.0.0.1:{port}/inbox")
                desk.screenshot(path=IMAGES / "queue.png")
                show(desk, "kubectl")
                desk.screenshot(path=IMAGES / "review.png")
                phone = browser.new_page(viewport={"width": 390, "height": 760}, color_scheme="dark")
                log_in(phone, f"http://127.0.0.1:{port}/inbox")
                show(phone, "app.py")
                phone.screenshot(path=IMAGES / "phone.png")
                browser.close()
        finally:
            server.terminate()
            server.wait()


def log_in(page: Page, address: str) -> None:
    page.goto(address)
    page.fill("#name", "rita")
    page.fill("#password", PASSWORD)
    page.click("button.yes")
    page.wait_for_url(address)


def show(page: Page, text: str) -> None:
    page.locator("li", has_text=text).locator("a.call").first.click()
    page.wait_for_url("**/approvals/*")


if __name__ == "__main__":
    main()
