package hitl.custom.lockfiles_test

import data.hitl.custom

changes(path) := {"facts": {"effects": [{
	"verb": "write",
	"target": {"type": "path", "value": path, "real": path, "place": "workspace", "inside": true},
	"via": "Write",
	"certain": true,
	"traits": [],
}]}}

test_a_lock_file_asks if {
	found := custom.reasons with input as changes("web/package-lock.json")
	verdicts := [r.verdict | some r in found; r.rule == "custom.lockfile"]
	verdicts == ["ask"]
}

test_other_files_are_none_of_its_business if {
	found := custom.reasons with input as changes("web/package.json")
	count(found) == 0
}
