"""Rows, tasks and tokens: what examples a run reads, in which order, in which rows."""
