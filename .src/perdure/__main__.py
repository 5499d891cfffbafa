"""`python -m perdure` is the `perdure` command."""

from perdure.temporal.app.cli import main

if __name__ == "__main__":
    main()
