"""``hitl-opa policy``: test, lint, format, document and build policies."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from hitl_opa.cli.options import config_option, json_option
from hitl_opa.cli.output import emit, say, working
from hitl_opa.cli.settings import load_settings
from hitl_opa.cli.suggest import adopt, suggest
from hitl_opa.errors import ConfigError, PolicyError
from hitl_opa.terminal.text import Span, spans

if TYPE_CHECKING:
    from hitl_opa.config import Config
    from hitl_opa.policy.bundle import PolicyBundle

F = TypeVar("F", bound=Callable[..., Any])


@click.group(short_help="Test, lint, format, document and build policies.")
def policy() -> None:
    """Policies: the shipped ones, and yours in package hitl.custom.

    \b
    hitl-opa policy test              your rules' tests
    hitl-opa policy test --all        the shipped ones too
    hitl-opa policy lint              is every rule understood alike by both engines?
    hitl-opa policy build -o b.tar.gz one bundle for an OPA server

    PATHS are files or directories; without any, what `policies` in hitl.yaml names.
    """


def _paths(command: F) -> F:
    for option in (
        config_option,
        click.argument("paths", nargs=-1, type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


@policy.command()
@_paths
@click.option("--all", "everything", is_flag=True, help="The shipped policies' tests too.")
@click.option("--engine", type=click.Choice(["auto", "opa", "embedded"]), default="auto", show_default=True)
@click.option("--match", default="", metavar="TEXT", help="Only tests with this in their name.")
@click.option("--json", "as_json", is_flag=True, help="Print every test as JSON.")
def test(
    paths: tuple[Path, ...], config: Path | None, everything: bool, engine: Any, match: str, as_json: bool
) -> None:
    """Run the tests in _test.rego files. Exit code 1 if one fails, or there is none.

    With the real opa where it is, else on the embedded engine; each test says which.
    """
    from hitl_opa.policy.lint import check
    from hitl_opa.policy.testing import run_tests

    bundle = load(config, paths)
    files = bundle.users if bundle.users and not everything else None
    with working("Running tests"):
        check(bundle)
        results = run_tests(bundle, engine=engine, match=match, files=files)
    failed = [result for result in results if not result.passed]
    if as_json:
        emit({"ok": bool(results) and not failed, "tests": results})
    else:
        _show_tests(results)
    if failed or not results:
        sys.exit(1)


def _show_tests(results: list[Any]) -> None:
    if not results:
        say(Span("no tests", "yellow"), ": rules without tests change without notice; see `hitl-opa init`")
        return
    for result in results:
        if not result.passed:
            say(Span("FAIL  ", "danger"), *spans(f"{result.file}:{result.line}: {result.name}"))
            say(*spans(result.message), indent=6)
    failed = sum(not result.passed for result in results)
    engines = ", ".join(sorted({result.engine for result in results}))
    if failed:
        say(Span(f"{failed} of {len(results)} tests failed", "danger"), f" on {engines}")
    else:
        say(Span(f"{len(results)} tests passed", "green"), f" on {engines}")


@policy.command()
@_paths
@click.option(
    "--format", "shape", type=click.Choice(["text", "json", "sarif", "github"]), default="text", show_default=True
)
def lint(paths: tuple[Path, ...], config: Path | None, shape: str) -> None:
    """Check policies for the portable profile: what both engines understand alike. Exit code 1 if it finds anything.

    Every policy is checked so before it is loaded; what is found here would be refused there.
    """
    from hitl_opa.policy.lint import findings

    bundle = load(config, paths)
    with working("Reading policies"):
        found = findings({**bundle.modules, **bundle.tests}, users=bundle.users, data=msgspec.json.decode(bundle.data))
    match shape:
        case "json":
            emit(found)
        case "sarif":
            emit(_sarif(found))
        case "github":
            for finding in found:
                where = f"file={finding.file},line={finding.line},col={finding.column},title={finding.rule}"
                click.echo(f"::error {where}::{_escaped(f'{finding.message}. {finding.fix}.')}")
        case _:
            for finding in found:
                say(*spans(f"{finding.file}:{finding.line}:{finding.column}: "), Span(finding.rule, "bold"))
                say(*spans(f"{finding.message}. {finding.fix}."), indent=4)
            if not found:
                files = len(bundle.modules) + len(bundle.tests)
                say(Span("fine", "green"), f": {files} files, both engines understand them alike")
    if found:
        sys.exit(1)


def _escaped(text: str) -> str:
    """As GitHub's workflow commands want a message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _sarif(found: list[Any]) -> dict[str, Any]:
    """SARIF 2.1.0, as code scanning reads it."""
    rules = sorted({finding.rule for finding in found})
    results = [
        {
            "ruleId": finding.rule,
            "level": "error",
            "message": {"text": f"{finding.message}. {finding.fix}."},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": finding.file},
                        "region": {"startLine": finding.line, "startColumn": finding.column},
                    }
                }
            ],
        }
        for finding in found
    ]
    driver = {"name": "hitl-opa policy lint", "rules": [{"id": rule} for rule in rules]}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


@policy.command()
@_paths
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit code 1 if something would change.")
@json_option
def fmt(paths: tuple[Path, ...], config: Path | None, only_check: bool, as_json: bool) -> None:
    """Format policies as `opa fmt` does. Needs the opa tool."""
    from hitl_opa.policy.opa_tool import find_opa, run_opa

    opa = find_opa()
    if opa is None:
        raise ConfigError("policy fmt needs the opa tool: make opa, or install it from openpolicyagent.org")
    named = _named(load_settings(config), paths)
    if not named:
        raise ConfigError("no policies to format: name a file or directory, or set `policies` in hitl.yaml")
    changed = run_opa(opa, "fmt", "--list", *map(str, named)).split("\n")
    files = [line for line in changed if line]
    if not only_check and files:
        run_opa(opa, "fmt", "--write", *map(str, named))
    if as_json:
        emit({"ok": not (only_check and files), "would_change" if only_check else "changed": files})
    for file in files if not as_json else ():
        say(Span("would change  " if only_check else "formatted  ", "yellow"), *spans(file))
    if not files and not as_json:
        say(Span("fine", "green"), ": nothing to format")
    if only_check and files:
        sys.exit(1)


@policy.command()
@_paths
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default="bundle.tar.gz", show_default=True
)
@json_option
def build(paths: tuple[Path, ...], config: Path | None, output: Path, as_json: bool) -> None:
    """Build one bundle of the shipped policies and yours, for `opa run --server --bundle`."""
    from hitl_opa.policy.build import build_bundle
    from hitl_opa.policy.lint import check

    bundle = load(config, paths)
    with working("Building"):
        check(bundle)
        builder = build_bundle(bundle, output)
    size = output.stat().st_size
    if as_json:
        emit({"file": str(output), "bytes": size, "revision": bundle.revision, "built_by": builder})
        return
    say(Span("built  ", "green"), *spans(f"{output}"), f"  {size:,} bytes, {len(bundle.modules)} modules, by {builder}")
    say(Span(f"revision {bundle.revision}", "dim"), indent=7)
    say(Span(f"opa run --server --bundle {output}", "dim"), indent=7)


@policy.command()
@_paths
@click.option("-o", "--output", default="docs/policies.md", show_default=True, help="Where to; - prints it.")
@click.option(
    "--examples", type=click.Path(file_okay=False, path_type=Path), default="tests/examples", show_default=True
)
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit code 1 if the file is out of date.")
@json_option
def docs(
    paths: tuple[Path, ...], config: Path | None, output: str, examples: Path, only_check: bool, as_json: bool
) -> None:
    """Write a page of every rule, from its METADATA, with the examples that run as tests."""
    from hitl_opa.policy.docs import render_docs

    text = render_docs(load(config, paths), examples if examples.is_dir() else None)
    if output == "-":
        emit({"text": text}) if as_json else click.echo(text, nl=False)
        return
    file = Path(output)
    try:
        fresh = file.exists() and file.read_text(encoding="utf-8") == text
        if not fresh and not only_check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    if as_json:
        emit({"ok": fresh or not only_check, "file": str(file), "changed": not fresh and not only_check})
    elif fresh:
        say(Span("fine", "green"), *spans(f": {file} is up to date"))
    elif only_check:
        say(Span("out of date", "danger"), *spans(f": {file}; run hitl-opa policy docs"))
    else:
        say(Span("wrote  ", "green"), *spans(str(file)))
    if only_check and not fresh:
        sys.exit(1)


policy.add_command(suggest)
policy.add_command(adopt)


def load(config: Path | None, paths: tuple[Path, ...]) -> PolicyBundle:
    """The shipped policies with these on top. Raises ConfigError or PolicyError."""
    from hitl_opa.facts import program_data
    from hitl_opa.policy.bundle import load_bundle

    settings = load_settings(config)
    overrides = {"hitl": settings.data} if settings.data else None
    return load_bundle(*_named(settings, paths), data_overrides=overrides, program_data=program_data())


def _named(settings: Config, paths: tuple[Path, ...]) -> list[Path]:
    for path in paths:
        if not path.exists():
            raise PolicyError(f"{path}: no such policy file or directory")
    return list(paths) or [_relative(settings.path(p)) for p in settings.policies]


def _relative(path: Path) -> Path:
    """As editors and code scanning want it: from here, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
