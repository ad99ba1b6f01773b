package hitl.packs.remotes_test

import data.hitl.fixtures
import data.hitl.packs.remotes

asked(rule, risk, message, remedy) := {
	"rule": rule,
	"verdict": "ask",
	"risk": risk,
	"message": message,
	"remedy": remedy,
}

remote(verb, value, place, traits) := fixtures.shell([fixtures.marked(verb, "remote", value, place, traits)])

test_protected_branch if {
	expected := {asked("remotes.protected-branch", "high", "This changes a protected branch without a review: main.", "Push a branch and open a pull request.")}
	remotes.reasons == expected with input as remote("publish", "main", "protected-branch", [])
}

test_a_branch_may_be_pushed if {
	remotes.reasons == set() with input as remote("publish", "feature", "branch", [])
}

test_opening_a_pull_request_is_cheap if {
	remotes.reasons == set() with input as remote("publish", "42", "pull-request", [])
}

test_history if {
	expected := {asked("remotes.history", "high", "This rewrites history that others may have: feature.", "Push a new branch and open a pull request.")}
	remotes.reasons == expected with input as remote("publish", "feature", "branch", ["history"])
}

test_protected_history if {
	expected := {
		asked("remotes.protected-branch", "high", "This changes a protected branch without a review: main.", "Push a branch and open a pull request."),
		asked("remotes.protected-history", "critical", "This rewrites or deletes a protected branch: main.", "Open a pull request."),
	}
	remotes.reasons == expected with input as remote("publish", "main", "protected-branch", ["force", "history"])
}

test_deleting_a_protected_branch if {
	fixtures.ids(remotes.reasons) == {"remotes.protected-history"} with input as remote("delete", "main", "protected-branch", [])
}

test_release if {
	every place in ["release", "registry", "tag"] {
		remotes.reasons == {asked("remotes.release", "high", "This changes what others use: v1.", "Let the release workflow do it after review.")} with input as remote("publish", "v1", place, [])
	}
}

test_reading_a_release if {
	remotes.reasons == set() with input as remote("query", "v1", "release", [])
}

test_destroy if {
	expected := {asked("remotes.destroy", "critical", "This destroys part of a system that others use: ns.", "Let the owner of the system do it.")}
	remotes.reasons == expected with input as remote("delete", "ns", "cluster", ["recursive"])
}

test_destroying_a_database if {
	fixtures.ids(remotes.reasons) == {"remotes.destroy"} with input as fixtures.shell([fixtures.marked("delete", "database", "app", "unknown", ["irreversible"])])
}

test_stopping_one_pod if {
	remotes.reasons == set() with input as remote("stop", "pod", "cluster", [])
}

test_production if {
	every verb in ["write", "configure", "stop", "execute", "send"] {
		remotes.reasons == {asked("remotes.production", "critical", "This changes production: shop.", "Deploy through the pipeline, after review.")} with input as remote(verb, "shop", "production", [])
	}
}

test_a_production_database if {
	fixtures.ids(remotes.reasons) == {"remotes.production"} with input as fixtures.shell([fixtures.effect("write", "database", "shop", "production")])
}

test_looking_at_production if {
	remotes.reasons == set() with input as remote("query", "shop", "production", [])
}
