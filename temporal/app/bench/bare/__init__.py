"""The same without Perdure, to compare with."""
