"""Figures, tables, plots, the page."""
