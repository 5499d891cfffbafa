"""YAML with places, JSON Schema, and patterns that cannot hold a process up."""
