"""MCP servers: connections, tool listings, calls, and elicitations."""
