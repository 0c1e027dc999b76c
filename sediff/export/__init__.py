"""Synthetic records in formats that others read, one module a format."""
