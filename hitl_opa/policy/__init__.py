"""Find, check, load, test, build and document policies."""
