"""HTTP itself: bodies, problems, guards, headers, SSE."""
