"""Activities of sessions besides models and tools, and the interceptors that guard every activity."""
