"""Whether tests that need a Docker engine can run here, or must (HITL_REQUIRE_DOCKER=1)."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

REQUIRED = os.environ.get("HITL_REQUIRE_DOCKER") == "1"


@cache
def docker_runs() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode == 0
