"""Reading and checking agent definitions."""
