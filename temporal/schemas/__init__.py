"""YAML with source positions, JSON Schema, and patterns that match in linear time."""
