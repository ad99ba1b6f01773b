"""CI draws the same examples in every run, so that what is red there is red everywhere; developers draw new ones."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
