"""Draws that are no Markov chain: from the joint density, weighted, accepted, or of particles."""
