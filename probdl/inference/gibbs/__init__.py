"""Gibbs sampling: blocks of latents, each drawn given all others."""
