"""The Python client. It imports nothing of Perdure, and of others httpx2 alone."""
