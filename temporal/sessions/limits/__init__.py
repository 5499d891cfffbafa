"""Limits of users and tenants on requests, open streams and turns at work."""
