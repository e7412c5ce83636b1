"""Removing whole channels."""
