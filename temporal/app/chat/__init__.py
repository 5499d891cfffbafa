"""How `perdure chat` shows a session."""
