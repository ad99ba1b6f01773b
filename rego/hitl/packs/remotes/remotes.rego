# METADATA
# title: Remote systems
# description: Repositories, clusters, clouds and services that others use.
package hitl.packs.remotes

import data.hitl.lib

changes := ["publish", "write", "configure"]

# METADATA
# title: A protected branch is pushed to
# custom:
#   id: remotes.protected-branch
#   risk: high
#   remedy: Push a branch and open a pull request.
reasons contains r if {
	"protected-branch" in data.hitl.lib.shared
	found := lib.on("remote", changes, ["protected-branch"])
	count(found) > 0
	r := {
		"rule": "remotes.protected-branch",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This changes a protected branch without a review: %s.", [lib.names(found)]),
		"remedy": "Push a branch and open a pull request.",
	}
}

# METADATA
# title: Published history is rewritten
# custom:
#   id: remotes.history
#   risk: high
#   remedy: Push a new branch and open a pull request.
reasons contains r if {
	"history" in data.hitl.lib.traits
	found := lib.among(lib.on("remote", ["publish", "write", "configure", "delete"], ["branch", "tag", "repository", "unknown"]), ["history"])
	count(found) > 0
	r := {
		"rule": "remotes.history",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This rewrites history that others may have: %s.", [lib.names(found)]),
		"remedy": "Push a new branch and open a pull request.",
	}
}

# METADATA
# title: The history of a protected branch is rewritten, or the branch deleted
# custom:
#   id: remotes.protected-history
#   risk: critical
#   remedy: Open a pull request.
reasons contains r if {
	"protected-branch" in data.hitl.lib.shared
	found := lib.among(lib.on("remote", changes, ["protected-branch"]), ["history"]) | lib.on("remote", ["delete"], ["protected-branch"])
	count(found) > 0
	r := {
		"rule": "remotes.protected-history",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This rewrites or deletes a protected branch: %s.", [lib.names(found)]),
		"remedy": "Open a pull request.",
	}
}

# METADATA
# title: A release is published or withdrawn
# custom:
#   id: remotes.release
#   risk: high
#   remedy: Let the release workflow do it after review.
reasons contains r if {
	count(data.hitl.lib.shared & {"release", "registry", "tag", "production"}) > 0
	found := lib.on("remote", ["publish", "delete"], ["release", "registry", "tag", "production"])
	count(found) > 0
	r := {
		"rule": "remotes.release",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This changes what others use: %s.", [lib.names(found)]),
		"remedy": "Let the release workflow do it after review.",
	}
}

# METADATA
# title: Shared systems lose data or stop
# custom:
#   id: remotes.destroy
#   risk: critical
#   remedy: Let the owner of the system do it.
reasons contains r if {
	count(data.hitl.lib.verbs & {"delete", "stop"}) > 0
	shared := lib.on("remote", ["delete", "stop"], ["cluster", "cloud", "production", "repository", "account", "service", "unknown"])
	found := lib.among(shared | lib.on("database", ["delete", "stop"], ["", "production", "unknown"]), ["all", "bulk", "recursive", "irreversible", "force", "no-where"])
	count(found) > 0
	r := {
		"rule": "remotes.destroy",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This destroys part of a system that others use: %s.", [lib.names(found)]),
		"remedy": "Let the owner of the system do it.",
	}
}

# METADATA
# title: Production is changed
# custom:
#   id: remotes.production
#   risk: critical
#   remedy: Deploy through the pipeline, after review.
reasons contains r if {
	"production" in data.hitl.lib.shared
	verbs := ["publish", "write", "configure", "delete", "stop", "execute", "send"]
	found := lib.on("remote", verbs, ["production"]) | lib.on("database", verbs, ["production"])
	count(found) > 0
	r := {
		"rule": "remotes.production",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This changes production: %s.", [lib.names(found)]),
		"remedy": "Deploy through the pipeline, after review.",
	}
}
