"""A run: prepared, stepped, checkpointed, and what it leaves."""
