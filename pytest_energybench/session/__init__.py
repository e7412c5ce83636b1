"""A pytest session that meters its tests."""
