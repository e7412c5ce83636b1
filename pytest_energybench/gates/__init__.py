"""Pure functions from figures to findings and results: budgets, accuracy, statistics."""
