"""A suggested rule is judged as any other policy: linted, its test run, then evaluated."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hitl_opa.config import Config
from hitl_opa.engines import open_embedded
from hitl_opa.errors import PolicyError
from hitl_opa.facts import program_data
from hitl_opa.feedback.rule import Rule
from hitl_opa.model import Document
from hitl_opa.policy.bundle import PolicyBundle, load_bundle
from hitl_opa.policy.lint import check
from hitl_opa.policy.testing import run_tests


class PolicyJudge:
    """Evaluates calls with the policy of these settings and one rule more. Raises PolicyError for a rule that
    is outside the portable profile or fails its own test: such a rule is a bug, and is never shown."""

    def __init__(self, config: Config) -> None:
        self._bundle = load_bundle(
            *(config.path(p) for p in config.policies),
            data_overrides={"hitl": config.data} if config.data else None,
            program_data=program_data(),
        )

    def __call__(self, rule: Rule | None, documents: Sequence[Document]) -> list[str]:
        bundle = self._bundle if rule is None else self._with(rule)
        engine = open_embedded(bundle.modules, bundle.data, revision=bundle.revision, compiled=bundle.compiled)
        try:
            encoder = msgspec.json.Encoder()
            return [str(msgspec.json.decode(engine.evaluate_sync(encoder.encode(d)))["verdict"]) for d in documents]
        finally:
            engine.close_sync()

    def _with(self, rule: Rule) -> PolicyBundle:
        if any(name.endswith(f"{rule.name}.rego") for name in self._bundle.modules):
            return self._bundle  # adopted already
        source, test = f"{rule.name}.rego", f"{rule.name}_test.rego"
        bundle = msgspec.structs.replace(
            self._bundle,
            modules={**self._bundle.modules, source: rule.source},
            tests={**self._bundle.tests, test: rule.test},
            users=self._bundle.users | {source, test},
        )
        check(bundle)
        failed = [t.name for t in run_tests(bundle, match=f"test_{rule.name}", files={test}) if not t.passed]
        if failed:
            raise PolicyError(f"the suggested rule {rule.name} fails its own test: {', '.join(failed)}")
        return bundle
