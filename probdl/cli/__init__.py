"""The command line."""

from probdl.cli.words import main

__all__ = ["main"]
