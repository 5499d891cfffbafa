"""Rewinds: a conversation goes on from an earlier message, or on an earlier branch."""
