"""A fake of the providers that keeps to their wires."""
