"""Who calls: API keys, tokens of identity providers, and sessions' own tokens, each made into a `Principal`."""
