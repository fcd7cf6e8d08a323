"""Integrals of programs over some of their latents: what can be integrated, and how."""
