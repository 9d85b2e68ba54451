"""Sine and cosine together for the compiled sweeps; ``jaxqnn.engine.trigonometry`` says whose."""

from __future__ import annotations

import math

from jaxqnn.sweep.cpu.jit import compiled
from jaxqnn.sweep.cpu.layout import LANES
from jaxqnn.sweep.cpu.pointers import Pointer
from jaxqnn.sweep.cpu.simd import choose, floor, load, rounded, store

_HALF_PI_1, _HALF_PI_2, _HALF_PI_3 = (
    1.57079625129699707031,
    7.54978941586159635335e-8,
    5.39030285815811905290e-15,
)


@compiled
def cos_sin(x: Pointer, size: int, cosine: Pointer, sine: Pointer) -> None:
    """Cosine and sine of ``size`` numbers, a multiple of eight.

    Angles are of double precision; what is left of them below a quarter turn is taken in that of
    the results.
    """
    for p in range(0, size, LANES):
        angle = load(x, p)
        quadrant = floor(angle * (2 / math.pi) + 0.5)
        r = angle - quadrant * _HALF_PI_1
        r = r - quadrant * _HALF_PI_2
        r = rounded(r - quadrant * _HALF_PI_3, cosine)
        quadrant = rounded(quadrant, cosine)
        z = r * r
        s = 1.58962301576546568060e-10 * z - 2.50507477628578072866e-8
        s = (s * z + 2.75573136213857245213e-6) * z - 1.98412698295895385996e-4
        s = (s * z + 8.33333333332211858878e-3) * z - 1.66666666666666307295e-1
        s = r + r * z * s
        c = -1.13585365213876817300e-11 * z + 2.08757008419747316778e-9
        c = (c * z - 2.75573141792967388112e-7) * z + 2.48015872888717045348e-5
        c = (c * z - 1.38888888888730564116e-3) * z + 4.16666666666665929218e-2
        c = 1.0 - 0.5 * z + z * z * c
        # 0, 1, 2, 3: which sign either has, and in 1 and 3 they change places.
        quarter = quadrant - 4.0 * floor(quadrant * 0.25)
        is_odd = quarter - 2.0 * floor(quarter * 0.5)
        c_out, s_out = choose(is_odd, s, c), choose(is_odd, c, s)
        late = quarter - 1.5
        store(cosine, p, choose(0.5 - late * late, -1.0 * c_out, c_out))
        store(sine, p, choose(late, -1.0 * s_out, s_out))
