"""Draw figures and their keypoints into a picture, to look at them.

python -m actupose.data.figures figures.png
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from actupose.data.figures import render_figures
from actupose.data.figures.montage import montage

POSE_MIX = (0.4, 0.3, 0.3)  # everyday, moderate, rare: some of each on a page


def main() -> None:
    """Rows of synthetic figures with keypoints above rows of photos."""
    parser = argparse.ArgumentParser(prog="python -m actupose.data.figures", description=__doc__)
    parser.add_argument("picture", type=Path, help="file to write (png or jpg)")
    parser.add_argument("--count", type=int, default=14, help="figures of each look")
    parser.add_argument("--side", type=int, default=64, help="pixels")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows = [
        montage(
            render_figures(args.seed, look, range(args.count), look, POSE_MIX, args.side),
            columns=7,
            skeletons=look == "synthetic",
        )
        for look in ("synthetic", "photo")
    ]
    cv2.imwrite(str(args.picture), np.concatenate(rows)[:, :, ::-1])
    print(f"{args.picture}: {args.count} synthetic figures with keypoints, {args.count} photos")


if __name__ == "__main__":
    main()
