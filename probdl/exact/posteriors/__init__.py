"""Posteriors without sampling error, and what can be asked of them."""
