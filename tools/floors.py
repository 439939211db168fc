"""What subtasks without a choice cost at least, where several costs are limited at once.

With one cost that is a number, the cheapest choice. With several the choice that is cheapest in one
may not be in another, and the cheapest of each apart may be no choice at all. So it is a set: every
vector of costs that no other undercuts in all of them. What is left of the limits suffices exactly
where it holds one of these vectors.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def undominated(vectors: Array) -> Array:
    """The rows that no other row is below in one column and at most equal to in all; equal ones once."""
    rows = np.unique(vectors, axis=0)  # sorted, so that only an earlier row can be at or below a later one
    if rows.shape[1] == 1:
        return rows[:1]
    kept = rows[:1]
    for row in rows[1:]:
        if not (kept <= row).all(axis=1).any():
            kept = np.vstack([kept, row])
    return kept


def floors(stages: Iterable[Array], columns: int) -> Array:
    """The undominated sums of one row of each stage; one row of zeros where there is no stage."""
    sums = np.zeros((1, columns))
    for rows in stages:
        sums = undominated((undominated(rows)[:, None, :] + sums[None, :, :]).reshape(-1, columns))
    return sums


def reachable(spent: Array, rest: Array, most: Array) -> npt.NDArray[np.bool_]:
    """For each row spent, whether the limits `most` leave room for one of the floors `rest`."""
    fits = np.zeros(len(spent), dtype=np.bool_)
    for floor in rest:
        fits |= (spent + floor <= most).all(axis=1)
    return fits
