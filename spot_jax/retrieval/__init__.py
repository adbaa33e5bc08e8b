"""Which prompts a task starts from: similarity, ranking, transfer (SPoT §3.3)."""
