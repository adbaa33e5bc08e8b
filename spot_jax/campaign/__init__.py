"""What the transfer study consists of: its plan, its runs and what they cost."""
