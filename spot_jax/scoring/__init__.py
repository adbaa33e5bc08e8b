"""Prompts scored on whole splits: answers, rankings, votes, domain shift."""
