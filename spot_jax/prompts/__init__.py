"""Prompts: the contract, the kinds of prompt, their starting values and files."""
