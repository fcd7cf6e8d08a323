"""Gaussian potentials, their chains, and state-space models."""
