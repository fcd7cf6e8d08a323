"""Exact answers from tables in NumPy: networks, any set of variables, new evidence without a new plan."""
