"""Asking again with another model or prompt."""
