"""Shell commands: parsed, expanded, and read for what they do."""
