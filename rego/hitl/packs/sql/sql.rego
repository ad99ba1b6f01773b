# METADATA
# title: SQL
# description: Statements that lose data or change who may see it.
package hitl.packs.sql

# METADATA
# title: Tables or databases are dropped or emptied
# custom:
#   id: sql.drop
#   risk: critical
#   remedy: Take a backup and let a person run it.
reasons contains r if {
	verbs := sort({s.verb | some s in input.facts.sql; s.verb in ["drop", "truncate"]})
	count(verbs) > 0
	r := {
		"rule": "sql.drop",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This statement destroys data: %s.", [concat(", ", verbs)]),
		"remedy": "Take a backup and let a person run it.",
	}
}

# METADATA
# title: Every row is changed or deleted
# custom:
#   id: sql.no-where
#   risk: critical
#   remedy: Add a WHERE clause.
reasons contains r if {
	verbs := sort({s.verb | some s in input.facts.sql; s.verb in ["delete", "update"]; s.where == false})
	count(verbs) > 0
	r := {
		"rule": "sql.no-where",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This %s has no WHERE and reaches every row.", [concat(" and ", verbs)]),
		"remedy": "Add a WHERE clause.",
	}
}

# METADATA
# title: Rights in a database are changed
# custom:
#   id: sql.privileges
#   risk: critical
#   remedy: Let the owner of the database do it.
reasons contains r if {
	verbs := sort({s.verb | some s in input.facts.sql; s.verb in ["grant", "revoke", "deny"]})
	count(verbs) > 0
	r := {
		"rule": "sql.privileges",
		"verdict": "ask",
		"risk": "critical",
		"message": sprintf("This statement changes who may do what: %s.", [concat(", ", verbs)]),
		"remedy": "Let the owner of the database do it.",
	}
}

# METADATA
# title: Data or schema is changed
# custom:
#   id: sql.change
#   risk: high
#   remedy: Let a migration that was reviewed change it.
reasons contains r if {
	verbs := sort({s.verb | some s in input.facts.sql; not reading(s.verb)})
	count(verbs) > 0
	r := {
		"rule": "sql.change",
		"verdict": "ask",
		"risk": "high",
		"message": sprintf("This statement changes the database: %s.", [concat(", ", verbs)]),
		"remedy": "Let a migration that was reviewed change it.",
	}
}

reading(verb) if verb in ["select", "show", "describe", "explain", "pragma", "use", "set", "begin", "commit", "rollback", "with", "values"]
