"""The command line. Nothing else in the package imports it."""

from jaxqnn.cli.entry import main

__all__ = ["main"]
