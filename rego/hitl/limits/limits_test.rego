package hitl.limits_test

import data.hitl.fixtures
import data.hitl.limits

counted(counters) := fixtures.but(fixtures.reading, {"context": {"counters": counters}})

test_reached if {
	limits.reached == {"calls", "repeats"} with input as counted({"calls": 2000, "repeats": 51, "denied": 29})
}

test_not_reached if {
	limits.reached == set() with input as counted({"calls": 1999, "asked": 199, "denied": 29, "consecutive_denied": 4, "repeats": 49})
}

test_zero_is_none if {
	limits.reached == set() with input as counted({"calls": 9000}) with data.hitl.settings.limits.calls as 0
}

test_a_broken_limit_is_reached if {
	limits.reached == {"calls"} with input as counted({"calls": 1}) with data.hitl.settings.limits.calls as "many"
}
