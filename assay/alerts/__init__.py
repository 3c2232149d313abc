"""Telling people, without Prefect Cloud: an alert, its receivers, and how it gets to them."""
