"""One file for each wire: how a provider's API is spoken."""
