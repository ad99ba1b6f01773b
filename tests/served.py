"""An inbox that is really served, and a person who logs in to it in a real browser."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOOL = str(Path(sys.executable).with_name("hitl-opa"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PASSWORD = "correct horse battery"


def hire(folder: Path, *options: str) -> None:
    """Give rita an account."""
    add = [TOOL, "users", "add", "rita", *options, "--password-stdin"]
    subprocess.run(add, input=PASSWORD, cwd=folder, check=True, capture_output=True, text=True)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The inbox over the record of these settings; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([TOOL, "serve", "--port", str(port)], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/inbox"
    finally:
        server.terminate()
        server.wait()


def log_in(page: Any, site: str) -> None:
    page.goto(site)
    page.fill("#name", "rita")
    page.fill("#password", PASSWORD)
    page.click("button.yes")
    page.wait_for_url(site)


def opened(page: Any, text: str) -> Any:
    """The page of the call whose line in the queue has this text."""
    page.locator("li", has_text=text).locator("a.call").first.click()
    page.wait_for_url("**/approvals/*")
    return page
