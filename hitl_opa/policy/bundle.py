"""A policy bundle: Rego modules, their data and one revision over all of it.

The layout is OPA's own, so the same directories work in ``opa run --server``, ``opa test`` and
``opa build``: ``hitl/tiers/data.yaml`` lies at ``data.hitl.tiers``.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hitl_opa import __version__
from hitl_opa.errors import PolicyError
from hitl_opa.policy.likeness import alike

MAX_FILE_BYTES = 1_000_000
GENERATED = Path(__file__).with_name("shipped.json")
DATA_FILES = ("data.yaml", "data.yml", "data.json")


class PolicyBundle(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine loads. ``modules`` and ``tests``: path -> Rego source; ``data``: a JSON object;
    ``revision``: SHA-256 over modules, data, program data and package version; ``users``: the paths
    among ``modules`` and ``tests`` that do not ship with hitl-opa; ``compiled``: the shipped ones, where
    they may run compiled."""

    modules: dict[str, str]
    tests: dict[str, str]
    data: bytes
    revision: str
    users: frozenset[str] = frozenset()
    compiled: frozenset[str] = frozenset()


def shipped() -> Path:
    """The directory of the policies that come with hitl-opa: inside a wheel, beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for root in (package / "_rego", package.parent / "rego"):
        if (root / "hitl").is_dir():
            return root
    raise PolicyError(f"the policies that ship with hitl-opa are missing: no rego directory in or beside {package}")


def load_bundle(
    *roots: Path | str,
    data_overrides: Mapping[str, Any] | None = None,
    program_data: bytes = b"",
    base: Path | None = None,
) -> PolicyBundle:
    """The shipped policies (or those in ``base``) with the user's directories or files on top.

    ``data_overrides`` replaces values of `data`, object by object; a user's data files may only add.
    ``program_data`` goes into the revision only. Raises PolicyError, with file:line:column where known.
    This reads and merges; `hitl_opa.policy.lint.check` is what refuses a module for its content.
    """
    own = base is None
    base = base or shipped()
    ours: Any = {}  # the data that ships
    parsed = _generated() if own else {}
    modules: dict[str, str] = {}
    tests: dict[str, str] = {}
    data: dict[str, Any] = {}
    users: set[str] = set()
    for number, given in enumerate((base, *roots)):
        root = Path(given)
        for file in _files(root):
            relative = file.relative_to(root if root.is_dir() else root.parent).as_posix()
            name = relative if number == 0 else f"{root.as_posix()}/{relative}" if root.is_dir() else root.as_posix()
            text = _read(file, name)
            if file.suffix == ".rego":
                if name in modules or name in tests:
                    raise PolicyError(f"{name}: two policy directories have this file")
                (tests if relative.endswith("_test.rego") else modules)[name] = text
                if number:
                    users.add(name)
            else:
                known = parsed.get(_sha256(text)) if number == 0 else None
                value = msgspec.json.decode(known) if known else _parse(text, name, file.suffix)
                _add(data, _nest(relative, value), name, ())
        if number == 0:
            ours = copy.deepcopy(data) if roots else data
    if not modules:
        raise PolicyError(f"{base}: no Rego files")
    if data_overrides:
        data = _override(data, data_overrides)
    encoded = msgspec.json.encode(data, order="sorted")
    compiled = own and (data is ours or (isinstance(data.get("hitl"), Mapping) and alike(ours["hitl"], data["hitl"])))
    return PolicyBundle(
        modules=modules,
        tests=tests,
        data=encoded,
        revision=_revision(modules, encoded, program_data),
        users=frozenset(users),
        compiled=frozenset(modules.keys() - users if compiled else ()),
    )


def _files(root: Path) -> list[Path]:
    """Rego and data files below ``root``, sorted; hidden ones are left out, as OPA leaves them out."""
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise PolicyError(f"{root}: no such policy file or directory")
    found = (file for file in root.rglob("*") if file.suffix == ".rego" or file.name in DATA_FILES)
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(root).parts))


def _read(file: Path, name: str) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PolicyError(f"{name}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise PolicyError(f"{name}: larger than {MAX_FILE_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise PolicyError(f"{name}:{line}:{column}: not UTF-8") from None


def _parse(text: str, name: str, suffix: str) -> dict[str, Any]:
    if suffix == ".json":
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise PolicyError(f"{name}: not JSON: {error}") from None
    else:
        from hitl_opa.policy.yaml import load_yaml

        value = load_yaml(text, name)
    if not isinstance(value, dict):
        raise PolicyError(f"{name}:1:1: the top of a data file must be an object")
    return value


def generate() -> None:
    """Write the JSON of the data files that ship, ``python -m hitl_opa.policy.bundle``: parsing YAML would take
    a fifth of a first decision."""
    found = {}
    for file in sorted(shipped().rglob("data.yaml")):
        text = file.read_text(encoding="utf-8")
        found[_sha256(text)] = _parse(text, str(file), ".yaml")
    GENERATED.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


def _generated() -> dict[str, msgspec.Raw]:
    """SHA-256 of a YAML file that ships -> what it says; a file of which it says nothing is parsed."""
    try:
        return msgspec.json.decode(GENERATED.read_bytes(), type=dict[str, msgspec.Raw])
    except (OSError, msgspec.DecodeError):
        return {}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _nest(relative: str, value: dict[str, Any]) -> dict[str, Any]:
    for part in reversed(relative.split("/")[:-1]):
        value = {part: value}
    return value


def _add(into: dict[str, Any], new: dict[str, Any], name: str, path: tuple[str, ...]) -> None:
    for key, value in new.items():
        if key not in into:
            into[key] = value
        elif isinstance(value, dict) and isinstance(into[key], dict):
            _add(into[key], value, name, (*path, key))
        else:
            where = ".".join(("data", *path, key))
            raise PolicyError(f"{name}: {where} already has a value; change it in hitl.yaml, under data")


def _override(base: Any, over: Any) -> Any:
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {**base, **{str(key): _override(base.get(key), value) for key, value in over.items()}}
    return over


def _revision(modules: Mapping[str, str], data: bytes, program_data: bytes) -> str:
    digest = hashlib.sha256()
    parts = [__version__, *(part for item in sorted(modules.items()) for part in item)]
    for part in (*(part.encode() for part in parts), data, program_data):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


if __name__ == "__main__":
    generate()
