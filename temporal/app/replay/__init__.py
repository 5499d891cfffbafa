"""Replaying recorded histories."""
