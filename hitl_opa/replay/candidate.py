"""The policy to try: rules in place of the settings' own, or other settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from hitl_opa.config import FILE, Config, load_config
from hitl_opa.errors import ConfigError


def candidate(settings: Config, paths: Sequence[Path]) -> Config:
    """Settings with the rules in ``paths`` (files, directories), or those in the one ``hitl.yaml`` that they name.

    Raises ConfigError.
    """
    files = [path / FILE if path.is_dir() and (path / FILE).exists() else path for path in paths]
    named = [path for path in files if path.suffix in {".yaml", ".yml"}]
    if named and len(files) > 1:
        raise ConfigError("a policy to try is either one hitl.yaml, or rules")
    if named:
        return load_config(named[0])
    if not files:
        return settings
    return msgspec.structs.replace(settings, policies=[str(path.absolute()) for path in files])
