"""Figures: rendered people and hands with known keypoints, the data sets that need no download."""

from actupose.data.figures.batch import FigureBatch, place_keypoints, render_figures
from actupose.data.figures.looks import Look

__all__ = ["FigureBatch", "Look", "place_keypoints", "render_figures"]
