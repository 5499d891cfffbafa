"""Encodings at the boundaries: bounded decompression, compact JSON, bytes inside JSON values."""
