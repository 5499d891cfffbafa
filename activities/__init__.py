"""What touches the world on behalf of a session: models, tools, MCP servers."""
