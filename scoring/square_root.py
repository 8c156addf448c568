"""The square root of an information matrix: what keeps the online Newton step sound.

``R`` is (n, n) upper triangular with a positive diagonal, and the information (inverse covariance) is
``R' R``. Rows are added by Givens rotations (Golub and Van Loan, section 6.5.4; Bierman, Factorization
Methods for Discrete Sequential Estimation, 1977). The covariance ``(R' R)^-1`` is symmetric and positive
definite whatever is rounded, because it is never stored.
"""

import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled, compiled_allocating

__all__ = ["add_row", "forget", "solve"]

FloatArray = NDArray[np.float64]


@compiled
def add_row(R: FloatArray, x: FloatArray, start: int) -> None:
    """Add ``x x'`` to the information; `x` (n,) is used up, its first `start` elements are 0. O(n^2)."""
    n = R.shape[0]
    for k in range(start, n):
        xk = x[k]
        if xk == 0.0:
            continue
        row = R[k]
        r = row[k]
        length = np.sqrt(r * r + xk * xk)
        c = r / length
        s = xk / length
        row[k] = length
        for j in range(k + 1, n):
            t = row[j]
            v = x[j]
            row[j] = c * t + s * v
            x[j] = c * v - s * t


@compiled
def solve(R: FloatArray, x: FloatArray) -> None:
    """Replace `x` (n,) by ``(R' R)^-1 x``. O(n^2)."""
    n = R.shape[0]
    for k in range(n):
        row = R[k]
        u = x[k] / row[k]
        x[k] = u
        for j in range(k + 1, n):
            x[j] -= u * row[j]
    for k in range(n - 1, -1, -1):
        row = R[k]
        # Four sums side by side: one sum would wait for itself, and letting the compiler reorder it
        # would make the result depend on the processor.
        a = 0.0
        b = 0.0
        c = 0.0
        d = 0.0
        j = k + 1
        while j + 4 <= n:
            a += row[j] * x[j]
            b += row[j + 1] * x[j + 1]
            c += row[j + 2] * x[j + 2]
            d += row[j + 3] * x[j + 3]
            j += 4
        while j < n:
            a += row[j] * x[j]
            j += 1
        x[k] = (x[k] - ((a + b) + (c + d))) / row[k]


@compiled_allocating
def forget(R: FloatArray, weight: FloatArray, root: FloatArray, keep: float) -> None:
    """Fade what was learned to the share `keep`, and let the prior (precision ``root**2``) fill the rest.

    ``R' R`` becomes ``keep R' R + (1 - keep) diag(root**2)``, and `weight` (n,) goes towards 0 as in the
    exponentially weighted ridge regression that this is. By induction ``R' R >= diag(root**2)``: in no
    direction, along an axis or not, is the covariance ever looser than the prior. O(n^3 / 6).
    """
    n = R.shape[0]
    shrink = np.sqrt(keep)
    fill = np.sqrt(1.0 - keep)
    for i in range(n):
        for j in range(i, n):
            R[i, j] *= shrink
    x = np.zeros(n)
    for i in range(n):
        x[i] = fill * root[i]
        add_row(R, x, i)
        x[:] = 0.0
    for i in range(n):
        x[i] = (1.0 - keep) * root[i] * root[i] * weight[i]
    solve(R, x)
    for i in range(n):
        weight[i] -= x[i]
