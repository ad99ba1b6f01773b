"""Rego tests as pytest items: each ``test_…`` rule of a ``_test.rego`` file with its own line and outcome."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hitl_opa.errors import PolicyError

if TYPE_CHECKING:
    from hitl_opa.policy.bundle import PolicyBundle
    from hitl_opa.policy.testing import RegoTest

SUFFIX = "_test.rego"
POLICIES = "hitl_policies"


class Suite:
    """The Rego tests of one set of policies; they run once, all together, when the first outcome is wanted."""

    def __init__(self, bundle: PolicyBundle, root: Path | None) -> None:
        self.bundle = bundle
        self._root = root
        self._outcomes: dict[tuple[str, str], RegoTest] | None = None

    def name_of(self, path: Path) -> str:
        """What the bundle calls a file: shipped ones are relative to their root, users' ones are not."""
        return path.relative_to(self._root).as_posix() if self._root else path.as_posix()

    def outcome(self, file: str, name: str) -> RegoTest | None:
        from hitl_opa.policy.testing import run_tests

        if self._outcomes is None:
            self._outcomes = {(test.file, test.name): test for test in run_tests(self.bundle)}
        return self._outcomes.get((file, name))


class Suites:
    """One `Suite` for each set of policies, by its directories."""

    def __init__(self, configured: list[Path]) -> None:
        self._configured = [path.resolve() for path in configured]
        self._suites: dict[tuple[Path, ...], Suite] = {}

    def of(self, path: Path) -> Suite:
        """The suite of a test file: shipped policies, those of ``hitl_policies``, or else its own directory's."""
        from hitl_opa.policy.bundle import load_bundle, shipped

        own = shipped().resolve()
        if path.is_relative_to(own):
            roots: tuple[Path, ...] = ()
        elif any(path.is_relative_to(root) for root in self._configured):
            roots = tuple(self._configured)
        else:
            roots = (path.parent,)
        if roots not in self._suites:
            self._suites[roots] = Suite(load_bundle(*roots), None if roots else own)
        return self._suites[roots]


class RegoFile(pytest.File):
    """A ``_test.rego`` file."""

    suites: Suites

    def collect(self) -> Iterator[RegoItem]:
        from hitl_opa.policy.testing import collect_tests

        path = self.path.resolve()
        try:
            suite = self.suites.of(path)
            tests = collect_tests(suite.bundle)
        except PolicyError as error:
            raise self.CollectError(str(error)) from None
        file = suite.name_of(path)
        for found, line, name in tests:
            if found == file:
                yield RegoItem.from_parent(
                    self, name=name.rpartition(".")[2], suite=suite, file=file, full=name, line=line
                )


class RegoItem(pytest.Item):
    """One Rego test."""

    def __init__(self, *, suite: Suite, file: str, full: str, line: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._suite = suite
        self._file = file
        self._full = full
        self._line = line

    def runtest(self) -> None:
        try:
            test = self._suite.outcome(self._file, self._full)
        except PolicyError as error:
            pytest.fail(str(error), pytrace=False)
        if test is None:
            pytest.fail(f"{self._full} was not run", pytrace=False)
        if not test.passed:
            pytest.fail(f"{self.path}:{self._line}: {self._full}: {test.message} ({test.engine})", pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self._line - 1, self._full
