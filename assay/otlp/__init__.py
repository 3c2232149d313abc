"""Runs out of OpenTelemetry traces: spans with GenAI attributes become lines of our run log."""
