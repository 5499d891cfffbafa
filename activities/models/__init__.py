"""Model calls: the conversation as each wire takes it, streaming, failures, usage."""
