"""The composition root: the `perdure` command and all that it starts."""
