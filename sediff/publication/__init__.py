"""Versions that others may use: made by a refresh in a folder of its own, published whole or not at all."""
