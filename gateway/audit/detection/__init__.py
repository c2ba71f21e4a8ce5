"""Looks for what is suspicious in the stream of events, and records each find as an event of its own."""
