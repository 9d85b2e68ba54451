"""The version: the one place where it is written, which packaging reads too."""

__version__ = "0.1.0"
