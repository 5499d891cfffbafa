"""Context that fits: how large the next request is, and what is summarised or left out before it is too large."""
