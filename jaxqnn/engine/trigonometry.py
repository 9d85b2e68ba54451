"""Sine and cosine together, as arithmetic that vectorises.

XLA's CPU backend calls a scalar routine for each double-precision sine or cosine, which takes
longer than everything else in a phase step.  The range reduction is Cody and Waite's and the
minimax polynomials are those of the Cephes library (Moshier, "Methods and Programs for
Mathematical Functions", 1989); the error is about one unit in the last place for the arguments that
occur here, sums of angles below 4 pi.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

# pi/2 in three parts, the first two with enough trailing zeros that n * part is exact.
_HALF_PI_DOUBLE = (1.57079625129699707031, 7.54978941586159635335e-8, 5.39030285815811905290e-15)
_HALF_PI_SINGLE = (1.5703125, 4.837512969970703125e-4, 7.54978995489188216e-8)

_SIN_DOUBLE = (
    1.58962301576546568060e-10,
    -2.50507477628578072866e-8,
    2.75573136213857245213e-6,
    -1.98412698295895385996e-4,
    8.33333333332211858878e-3,
    -1.66666666666666307295e-1,
)
_COS_DOUBLE = (
    -1.13585365213876817300e-11,
    2.08757008419747316778e-9,
    -2.75573141792967388112e-7,
    2.48015872888517045348e-5,
    -1.38888888888730564116e-3,
    4.16666666666665929218e-2,
)
_SIN_SINGLE = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS_SINGLE = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


@partial(jax.jit, inline=True)  # traced once for each shape
def cos_sin(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """cos(x) and sin(x), elementwise; NaN where x is not finite."""
    double = x.dtype == jnp.float64
    parts = _HALF_PI_DOUBLE if double else _HALF_PI_SINGLE
    quadrant = jnp.round(x * (2 / jnp.pi))
    r = x
    for part in parts:
        r = r - quadrant * part
    z = r * r
    sine = r + r * z * _horner(z, _SIN_DOUBLE if double else _SIN_SINGLE)
    cosine = 1 - 0.5 * z + z * z * _horner(z, _COS_DOUBLE if double else _COS_SINGLE)
    # quadrant mod 4, in floating point: integer conversions do not vectorise as well
    turn = quadrant - 4 * jnp.floor(quadrant * 0.25)
    swap = (turn == 1) | (turn == 3)
    cos_sign = jnp.where((turn == 1) | (turn == 2), -1.0, 1.0).astype(x.dtype)
    sin_sign = jnp.where(turn >= 2, -1.0, 1.0).astype(x.dtype)
    return cos_sign * jnp.where(swap, sine, cosine), sin_sign * jnp.where(swap, cosine, sine)


def _horner(z: jax.Array, coefficients: tuple[float, ...]) -> jax.Array:
    total = jnp.full_like(z, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * z + coefficient
    return total
