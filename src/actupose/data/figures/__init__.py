"""Figures: rendered people with known keypoints, the data set that needs no download."""

from actupose.data.figures.batch import FigureBatch, render_figures
from actupose.data.figures.looks import Look

__all__ = ["FigureBatch", "Look", "render_figures"]
