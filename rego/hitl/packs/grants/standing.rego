# METADATA
# title: Grants
# description: What a human allowed for a time. A grant waives the rules that asked when it was given, and no others.
package hitl.packs.grants

# METADATA
# title: A standing grant covers this call
# custom:
#   id: grants.standing
#   risk: low
#   remedy: Revoke the grant to be asked again.
reasons contains r if {
	input.approval.grant.id != ""
	r := {
		"rule": "grants.standing",
		"verdict": "allow",
		"risk": "low",
		"message": sprintf("%s allowed calls equal to this one for a time.", [input.approval.grant.reviewer]),
		"remedy": "Revoke the grant to be asked again.",
		"waives": input.approval.grant.waives,
	}
}
