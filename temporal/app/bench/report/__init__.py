"""Figures, tables, plots and the report page."""
