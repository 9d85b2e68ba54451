"""The API reference as web pages, from the docstrings: ``python -m jaxqnn.cli.reference [FOLDER]``.

Needs the extra ``dev``.  A warning, as of a name that is not found, is an error.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import jaxqnn


def main(folder: str = "build/reference") -> None:
    """Write the pages of all that is public."""
    import pdoc  # of the extra dev

    warnings.simplefilter("error")
    for name in jaxqnn.__all__:
        # pdoc does not see what is imported only when it is asked for.
        vars(jaxqnn)[name] = getattr(jaxqnn, name)
    pdoc.render.configure(docformat="google")
    pdoc.pdoc("jaxqnn", "jaxqnn.sklearn", output_directory=Path(folder))
    print(f"{folder}/index.html")


if __name__ == "__main__":
    main(*sys.argv[1:])
