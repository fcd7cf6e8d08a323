"""Mcmc."""
