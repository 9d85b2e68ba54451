"""Programs to start from; each runs as ``python -m jaxqnn.examples.NAME``."""
