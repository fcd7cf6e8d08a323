"""Langevin methods: chains that follow the gradient and noise, one step at a time."""
