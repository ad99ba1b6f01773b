package hitl.packs.secrets

import data.hitl.lib

# METADATA
# title: The key that signs the record is touched
# description: Who has it can sign for another record. Its file is called audit.key, or ends so, wherever it lies.
# custom:
#   id: secrets.signing-key
#   risk: critical
#   remedy: A person makes and rotates keys; hitl-opa audit key list shows the public ones.
reasons contains r if {
	found := {e |
		some e in input.facts.effects
		e.target.type == "path"
		endswith(lower(concat("", [e.target.value, e.target.real])), "audit.key")
	}
	count(found) > 0
	r := {
		"rule": "secrets.signing-key",
		"verdict": "deny",
		"risk": "critical",
		"message": sprintf("This touches the key that signs the record: %s.", [lib.names(found)]),
		"remedy": "A person makes and rotates keys; hitl-opa audit key list shows the public ones.",
	}
}
