"""The command line. Nothing else in the package imports it."""

from .app import main

__all__ = ["main"]
