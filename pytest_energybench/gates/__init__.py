"""Pure functions from figures to a verdict: budgets, accuracy, statistics."""
