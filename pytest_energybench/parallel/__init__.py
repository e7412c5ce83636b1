"""How cases run in many processes: one strategy a file."""
