"""actupose: find the synthetic poses a 2D pose estimator lacks, schedule them, adapt it to real images.

Legend used in every docstring
    B, N  samples        K  keypoints       h, w  heat-map rows, columns      H, W  image rows, columns
    Coordinates are (x, y); the centre of the top-left pixel is (0, 0); x runs right, y runs down.
    Frames are part of a name: ``_px`` pixels of an image, ``_hm`` heat-map cells.
    A matrix is named destination-from-source: ``view_from_base @ point_in_base``.
    A keypoint that is not annotated is NaN; ``visible`` is a separate boolean.
"""
