"""Decisions for people: the table on a terminal, and what the Prefect UI shows."""
