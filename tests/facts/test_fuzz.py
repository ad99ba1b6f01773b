"""A little coverage-guided fuzzing on every run; ``make fuzz`` does more."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="atheris has no build for it")
def test_facts_hold_for_what_a_fuzzer_finds(tmp_path: Path) -> None:
    script = Path(__file__).with_name("fuzz.py")
    options = ["-runs=1500", "-seed=1", "-timeout=60", "-max_len=300", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run([sys.executable, script, *options], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    ran = re.search(r"^Done (\d+) runs", done.stderr, re.MULTILINE)
    assert ran
    assert int(ran[1]) >= 1500  # it may finish what it began
