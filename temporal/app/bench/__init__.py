"""`perdure bench`."""
