"""Programs whose arguments are more than options and operands: a function each, named in the program data."""

from __future__ import annotations

from collections.abc import Callable

from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import Frame, Stream
from hitl_opa.facts.shell.specials import build, files, filters, git, network, runners
from hitl_opa.facts.shell.specials.git import setting as setting

Special = Callable[[Invocation], Stream | None]

TABLE: dict[str, Special] = {
    "awk": filters.awk, "cat": filters.cat, "decode": filters.decode, "passthrough": filters.passthrough, "sed": filters.sed, "tr": filters.tr,
    "rev": filters.rev, "xxd": filters.xxd, "which": filters.which,
    "sysctl": files.sysctl, "service": files.service, "http": network.http, "kubectl-get": runners.kubectl_get, "chmod": files.chmod, "dd": files.dd, "find": files.find, "tar": files.tar, "kill": files.kill, "tee": files.tee, "ln": files.link, "crontab": files.crontab,
    "shell": runners.shell, "interpreter": runners.interpreter, "xargs": runners.xargs, "parallel": runners.parallel, "env": runners.env, "sudo": runners.sudo,
    "su": runners.su, "ssh": runners.ssh, "container": runners.container, "busybox": runners.busybox, "kubectl-exec": runners.kubectl_exec,
    "make": build.make, "npm-run": build.npm_run, "powershell": runners.powershell,
    "git": git.git, "git-push": git.push, "git-config": git.config, "git-clone": git.clone, "git-checkout": git.checkout, "git-commit": git.commit,
    "git-branch": git.branch, "git-remote": git.remote, "git-tag": git.tag, "gh-api": network.gh_api, "gh-merge": network.gh_merge,
    "curl": network.curl, "copy": network.copy, "nc": network.nc, "redis": network.redis, "mongo": network.mongo,
}  # fmt: skip

__all__ = ["TABLE", "Frame", "setting"]
