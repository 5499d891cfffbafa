"""MCP servers: connections, listings, calls, and what they ask people."""
