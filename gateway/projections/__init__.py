"""Events as JSON for a kind of client."""
