"""OPA's own core compliance cases on the embedded engine; what fails is listed, and the list may only shrink.

The cases are no part of this repository: HITL_REGO_CASES names the file, JSON lines in gzip, each a case as in
open-policy-agent/opa v1/test/cases. HITL_REGO_CASES_UPDATE=1 takes what passes by now off the list.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

KNOWN = Path(__file__).with_name("rego-cases-known-failures.txt")
PATIENCE = 10  # seconds for a case
FILE = os.environ.get("HITL_REGO_CASES", "")


@pytest.mark.skipif(not FILE, reason="HITL_REGO_CASES does not name the cases")
@pytest.mark.timeout(600)
def test_opas_core_cases() -> None:
    results = run_all(FILE)
    failed = {note: why for note, (_, why) in results.items() if why}
    folders = Counter(folder for folder, _ in results.values())
    broken = Counter(results[note][0] for note in failed)
    print(f"\n{len(results) - len(failed)} of {len(results)} cases pass")
    for folder, count in sorted(folders.items()):
        if broken[folder]:
            print(f"  {folder}: {count - broken[folder]} of {count}")
    known = set(KNOWN.read_text().splitlines()) if KNOWN.exists() else set()
    if os.environ.get("HITL_REGO_CASES_UPDATE") == "1":
        KNOWN.write_text("".join(f"{note}\n" for note in sorted(known & set(failed) if known else failed)))
    news = {note: why for note, why in failed.items() if note not in known}
    assert not news, f"{len(news)} cases fail that did not: {json.dumps(news, indent=1)[:4000]}"
    assert not known - set(failed), f"these pass by now, take them off {KNOWN.name}: {sorted(known - set(failed))}"


def run_all(file: str) -> dict[str, tuple[str, str]]:
    """note -> (folder, why it fails, ``""`` where it passes)."""
    results: dict[str, tuple[str, str]] = {}
    first = 0
    while first >= 0:
        first = run_from(file, first, results)
    return results


def run_from(file: str, first: int, results: dict[str, tuple[str, str]]) -> int:
    """Run cases until the end (-1) or until one kills or holds up its process (the number of the next)."""
    runner = Path(__file__).with_name("rego_cases.py")
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    with subprocess.Popen(
        [sys.executable, str(runner), file, str(first)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env={**os.environ, "RUST_BACKTRACE": "0"},
    ) as process:
        output = process.stdout
        assert output

        def read() -> None:
            for line in output:
                lines.put(line)
            lines.put("")

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        begun: dict[str, Any] = {}
        why = ""
        while True:
            try:
                line = lines.get(timeout=PATIENCE)
            except queue.Empty:
                why = "hangs"
                process.kill()
                break
            if not line:
                break
            said = json.loads(line)
            if "why" in said:
                results[begun["note"]] = (begun["folder"], said["why"])
                begun = {}
            else:
                begun = said
                while begun["note"] in results:  # notes repeat
                    begun["note"] += "+"
        reader.join()
        process.wait()
    if not begun:
        assert process.returncode == 0, f"the runner failed with exit {process.returncode}"
        return -1
    results[begun["note"]] = (begun["folder"], why or f"kills the process (exit {process.returncode})")
    return int(begun["number"]) + 1
