"""Claude Code as it is: the guard behind hooks in its settings, for sessions that no program of yours starts."""
