"""Is a network right? Its passes beside QML's, and beside a third opinion that shares no code."""

from jaxqnn.verify.verification import verify

__all__ = ["verify"]
