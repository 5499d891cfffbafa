"""Markdown as HTML: what people and models write on the pages."""
