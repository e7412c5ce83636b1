"""Figures where people look already, one tool a file."""
