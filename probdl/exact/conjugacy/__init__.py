"""Which sites are conjugate, and integrals over them."""
