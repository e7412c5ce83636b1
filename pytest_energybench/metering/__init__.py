"""Joules out of hardware: sources, the window that brackets work, the machine's lock."""
