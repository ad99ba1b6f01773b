# METADATA
# title: Remote systems
# description: Repositories, clusters, clouds and services that others use.
package hitl.packs.remotes

import data.hitl.lib

# METADATA
# title: A protected branch is pushed to
# custom:
#   id: remotes.protected-branch
#   risk: high
#   remedy: Push a branch and open a pull request.
reasons contains r if {
	found := lib.effects(["publish", "write", "configure"], ["protected-branch"])
	count(found) > 0
	r := {
		"rule": "remotes.protected-branch",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This pushes straight to a protected branch: %s.", [lib.names(found)]),
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
	found := [e | some e in lib.effects(["publish", "delete"], ["branch", "tag", "unknown"]); "history" in e.traits]
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
# title: The history of a protected branch is rewritten or deleted
# custom:
#   id: remotes.protected-history
#   risk: critical
#   remedy: Open a pull request.
reasons contains r if {
	found := array.concat([e | some e in lib.effects(["publish"], ["protected-branch"]); "history" in e.traits], lib.effects(["delete"], ["protected-branch"]))
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
# title: A release is published
# custom:
#   id: remotes.release
#   risk: high
#   remedy: Let the release workflow do it after review.
reasons contains r if {
	found := lib.effects(["publish", "delete"], ["release", "registry", "tag", "production"])
	count(found) > 0
	r := {
		"rule": "remotes.release",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This publishes for others to use: %s.", [lib.names(found)]),
		"remedy": "Let the release workflow do it after review.",
	}
}

# METADATA
# title: A pull request is merged
# custom:
#   id: remotes.merge
#   risk: high
#   remedy: Leave merging to a reviewer.
reasons contains r if {
	found := [e | some e in lib.effects(["publish", "configure", "write"], ["pull-request"]); "irreversible" in e.traits]
	count(found) > 0
	r := {
		"rule": "remotes.merge",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This merges %s without a review.", [lib.names(found)]),
		"remedy": "Leave merging to a reviewer.",
	}
}

# METADATA
# title: Shared systems lose data or stop
# custom:
#   id: remotes.destroy
#   risk: critical
#   remedy: Let the owner of the system do it.
reasons contains r if {
	found := [e |
		some e in lib.effects(["delete", "stop"], ["cluster", "cloud", "database", "production", "repository", "account", "service"])
		large(e)
	]
	count(found) > 0
	r := {
		"rule": "remotes.destroy",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This destroys part of a system that others use: %s.", [lib.names(found)]),
		"remedy": "Let the owner of the system do it.",
	}
}

large(e) if {
	some trait in ["all", "bulk", "recursive", "irreversible", "force", "no-where"]
	trait in e.traits
}
