"""A case while its test runs: windows and calls become rounds, rounds become a case."""
