"""What sessions ask of a worker beside models and tools, and the guards around every activity."""
