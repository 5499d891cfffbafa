"""The guide: its pages in Markdown, and how they become HTML."""
