"""Blobs, files, and the payload codec."""
