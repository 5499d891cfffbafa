"""Sessions over HTTP, and the pages."""
