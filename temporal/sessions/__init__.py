"""How sessions are started and found."""
