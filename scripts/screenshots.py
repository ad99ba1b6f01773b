"""The pictures of the documentation, from the real inbox in a real browser: ``make screenshots``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from served import CHROMIUM, hire, log_in, opened, served

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
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
    if CHROMIUM is None:
        sys.exit("there is no chromium: install it first")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "hitl.yaml").write_text("level: 1\ndurable: true\n")
        hire(folder, "--group", "sre")
        subprocess.run([sys.executable, "-c", ASKS], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with served(folder) as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            desk = browser.new_page(viewport={"width": 1000, "height": 640})
            log_in(desk, site)
            desk.screenshot(path=IMAGES / "queue.png")
            opened(desk, "kubectl").screenshot(path=IMAGES / "review.png")
            phone = browser.new_page(viewport={"width": 390, "height": 760}, color_scheme="dark")
            log_in(phone, site)
            opened(phone, "app.py").screenshot(path=IMAGES / "phone.png")
            browser.close()


if __name__ == "__main__":
    main()
