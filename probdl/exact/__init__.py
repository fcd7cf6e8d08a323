"""Exact inference: engines that sum and integrate without error."""
