"""Assay: change the prompts of AI agents without breaking production."""
