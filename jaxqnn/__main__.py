"""`python -m jaxqnn`, the same as the command `jaxqnn`."""

from jaxqnn.cli import main

if __name__ == "__main__":
    main()
