"""Replays recorded histories."""
