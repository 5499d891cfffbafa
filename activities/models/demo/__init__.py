"""The demo model, which needs no key."""
