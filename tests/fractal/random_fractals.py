"""Random sets with a dimension that is known before they are drawn."""

from __future__ import annotations

import math

import numpy as np


def random_pattern_set(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Each cell is replaced by m of b×b cells, chosen anew for every cell: D = ln m/ln b."""
    base = int(rng.integers(2, 5))
    levels = {2: 10, 3: 6, 4: 5}[base]
    kept = int(rng.integers(2 if base == 2 else base, base * base))
    mask = np.ones((1, 1), bool)
    for _ in range(levels):
        side = mask.shape[0]
        chosen = rng.random((side, side, base * base)).argsort(-1) < kept
        blocks = chosen.reshape(side, side, base, base) & mask[:, :, None, None]
        mask = blocks.transpose(0, 2, 1, 3).reshape(side * base, side * base)
    return mask, math.log(kept) / math.log(base)


def corner_set(ratios: np.ndarray, side: int = 729) -> np.ndarray:
    """Four squares in the corners of each square, of given ratios < 1/2: D by Moran's equation."""
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    pieces, done = np.array([[0.0, 0.0, 1.0]]), []
    while len(pieces):
        grown = [
            np.stack(
                [
                    pieces[:, 0] + pieces[:, 2] * corner[0] * (1 - ratio),
                    pieces[:, 1] + pieces[:, 2] * corner[1] * (1 - ratio),
                    pieces[:, 2] * ratio,
                ],
                axis=1,
            )
            for corner, ratio in zip(corners, ratios, strict=True)
        ]
        every = np.concatenate(grown)
        small = every[:, 2] * side < 0.7
        done.append(every[small])
        pieces = every[~small]
    points = np.concatenate(done)
    cells = np.minimum(((points[:, :2] + points[:, 2:] / 2) * side).astype(int), side - 1)
    mask = np.zeros((side, side), bool)
    mask[cells[:, 0], cells[:, 1]] = True
    return mask
