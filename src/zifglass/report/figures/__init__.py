"""Figures, one module per room. matplotlib is imported when the first one is drawn."""
