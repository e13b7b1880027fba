"""Allow packs: the globals that a person vetted, the uses, and why."""
