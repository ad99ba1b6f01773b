"""An OPA bundle (``bundle.tar.gz``) that ``opa run --bundle`` and OPA servers load."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import tempfile
from pathlib import Path

from hitl_opa.errors import PolicyError
from hitl_opa.policy.bundle import PolicyBundle
from hitl_opa.policy.files import file_names, write_files
from hitl_opa.policy.opa_tool import find_opa, run_opa


def build_bundle(bundle: PolicyBundle, target: Path, *, opa: str | None = None) -> str:
    """Write the bundle to ``target`` with its revision in the manifest; returns ``opa`` or ``embedded``: who built it.

    ``opa``: the path of the tool, found where it is not given. Without it the archive is written
    here, the same bytes for the same bundle. Raises PolicyError where it cannot be built or written.
    """
    opa = opa or find_opa()
    try:
        if opa:
            with tempfile.TemporaryDirectory(prefix="hitl-opa-") as folder:
                write_files(bundle.modules, bundle.data, Path(folder))
                (Path(folder) / ".manifest").write_bytes(_manifest(bundle))
                output = str(target.resolve())
                run_opa(opa, "build", "-b", ".", "-r", bundle.revision, "-o", output, cwd=Path(folder))
            return "opa"
        _write(target, _archive(bundle))
    except OSError as error:
        raise PolicyError(f"{target}: cannot be written: {error.strerror}") from None
    return "embedded"


def _manifest(bundle: PolicyBundle) -> bytes:
    return json.dumps({"revision": bundle.revision, "roots": [""], "rego_version": 1}).encode()


def _archive(bundle: PolicyBundle) -> bytes:
    names = file_names(bundle.modules)
    entries = {f"/{names[module]}": source.encode() for module, source in bundle.modules.items()}
    entries |= {"/data.json": bundle.data, "/.manifest": _manifest(bundle)}
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted(entries.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o644
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def _write(target: Path, content: bytes) -> None:
    """Whole or not at all: a server may be reading the old one."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
