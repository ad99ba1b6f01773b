"""Programs whose arguments are more than options and operands: a function each, named in the program data."""

from __future__ import annotations

from collections.abc import Callable

from hitl_opa.facts.shell.argv import Invocation
from hitl_opa.facts.shell.frame import Frame, Stream
from hitl_opa.facts.shell.specials import (
    build,
    containers,
    files,
    filters,
    find,
    git,
    git_config,
    git_refs,
    many,
    network,
    runners,
    services,
    wrappers,
)
from hitl_opa.facts.shell.specials.git import setting as setting

Special = Callable[[Invocation], Stream | None]

TABLE: dict[str, Special] = {
    "awk": filters.awk,
    "cat": filters.cat,
    "decode": filters.decode,
    "passthrough": filters.passthrough,
    "sed": filters.sed,
    "tr": filters.tr,
    "rev": filters.rev,
    "xxd": filters.xxd,
    "which": filters.which,
    "sysctl": files.sysctl,
    "service": files.service,
    "http": network.http,
    "kubectl-get": containers.kubectl_get,
    "chmod": files.chmod,
    "chown": files.chown,
    "install": files.install,
    "dd": files.dd,
    "find": find.find,
    "tar": files.tar,
    "kill": files.kill,
    "tee": files.tee,
    "ln": files.link,
    "crontab": files.crontab,
    "shell": runners.shell,
    "interpreter": runners.interpreter,
    "xargs": many.xargs,
    "parallel": many.parallel,
    "env": wrappers.env,
    "sudo": wrappers.sudo,
    "su": wrappers.su,
    "ssh": wrappers.ssh,
    "container-copy": containers.container_copy,
    "container": containers.container,
    "busybox": runners.busybox,
    "kubectl-exec": containers.kubectl_exec,
    "make": build.make,
    "npm": build.npm,
    "npm-run": build.npm_run,
    "npx": build.npx,
    "go-run": build.go_run,
    "nix-run": build.nix_run,
    "powershell": runners.powershell,
    "git": git.git,
    "git-push": git_refs.push,
    "git-config": git_config.config,
    "git-clone": git.clone,
    "git-checkout": git.checkout,
    "git-commit": git.commit,
    "git-branch": git_refs.branch,
    "git-remote": git_refs.remote,
    "git-tag": git_refs.tag,
    "gh-api": services.gh_api,
    "gh-merge": services.gh_merge,
    "curl": network.curl,
    "copy": network.copy,
    "nc": network.nc,
    "redis": services.redis,
    "mongo": services.mongo,
}

__all__ = ["TABLE", "Frame", "setting"]
