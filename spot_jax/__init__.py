"""Soft prompts for frozen T5 models, and their transfer between tasks (SPoT)."""
