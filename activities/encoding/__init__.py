"""Bytes and text at the edges: bounded unpacking, compact JSON, bytes inside JSON values."""
