"""A fake model provider that speaks the real wire formats."""
