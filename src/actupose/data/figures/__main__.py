"""Draw figures and their keypoints into a picture, to look at them.

python -m actupose.data.figures figures.png --skeleton hand21
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from actupose.data.figures import render_figures
from actupose.data.figures.montage import montage
from actupose.skeleton import SKELETONS

POSE_MIX = (0.4, 0.3, 0.3)  # everyday, moderate, rare: some of each on a page


def main() -> None:
    """Synthetic figures on the left, photos of the same poses on the right."""
    parser = argparse.ArgumentParser(prog="python -m actupose.data.figures", description=__doc__)
    parser.add_argument("picture", type=Path, help="file to write (png or jpg)")
    parser.add_argument("--skeleton", choices=SKELETONS, default="body16", help="people or hands")
    parser.add_argument("--count", type=int, default=16, help="figures of each look")
    parser.add_argument("--columns", type=int, default=4, help="of each look")
    parser.add_argument("--side", type=int, default=64, help="pixels")
    parser.add_argument("--zoom", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="without keypoints")
    args = parser.parse_args()
    skeleton = SKELETONS[args.skeleton]
    halves = [
        montage(
            render_figures(args.seed, "montage", range(args.count), look, POSE_MIX, args.side, skeleton.name),
            args.columns,
            args.zoom,
            None if args.plain else skeleton,
        )
        for look in ("synthetic", "photo")
    ]
    cv2.imwrite(str(args.picture), np.concatenate(halves, 1)[:, :, ::-1])
    print(f"{args.picture}: {args.count} figures, synthetic on the left, photos on the right")


if __name__ == "__main__":
    main()
