"""The real OPA server, for tests."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from pathlib import Path


def start(opa: str, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """`opa run --server` over ``folder`` on a free port: the process, which the caller ends, and its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [opa, "run", "--server", "--addr", url.removeprefix("http://"), "--log-level", "error", "."],
        cwd=folder,
        stdout=log,
        stderr=log,
    )
    log.close()
    for _ in range(200):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1):
                return process, url
        except OSError:
            time.sleep(0.05)
    process.kill()
    process.wait()
    raise AssertionError(f"opa run --server: {(folder / 'log').read_text()}")
