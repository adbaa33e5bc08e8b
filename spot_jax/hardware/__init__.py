"""Machines that need not be there: what chips are said to do, and how they stand."""
