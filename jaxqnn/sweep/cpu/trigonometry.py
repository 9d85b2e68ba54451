"""Sine and cosine together for the compiled sweeps; ``jaxqnn.engine.trigonometry`` says whose."""

from __future__ import annotations

import numpy as np

from jaxqnn.sweep.cpu.steps import Array
from jaxqnn.sweep.cpu.jit import compiled

_HALF_PI_1, _HALF_PI_2, _HALF_PI_3 = (
    1.57079625129699707031,
    7.54978941586159635335e-8,
    5.39030285815811905290e-15,
)


@compiled
def cos_sin(x: Array, cosine: Array, sine: Array) -> None:
    """Cosine and sine of every element."""
    for i in range(x.shape[0]):
        quadrant = np.floor(x[i] * (2 / np.pi) + 0.5)
        r = x[i] - quadrant * _HALF_PI_1
        r = r - quadrant * _HALF_PI_2
        r = r - quadrant * _HALF_PI_3
        z = r * r
        s = 1.58962301576546568060e-10 * z - 2.50507477628578072866e-8
        s = (s * z + 2.75573136213857245213e-6) * z - 1.98412698295895385996e-4
        s = (s * z + 8.33333333332211858878e-3) * z - 1.66666666666666307295e-1
        s = r + r * z * s
        c = -1.13585365213876817300e-11 * z + 2.08757008419747316778e-9
        c = (c * z - 2.75573141792967388112e-7) * z + 2.48015872888517045348e-5
        c = (c * z - 1.38888888888730564116e-3) * z + 4.16666666666665929218e-2
        c = 1.0 - 0.5 * z + z * z * c
        quarter = quadrant - 4.0 * np.floor(quadrant * 0.25)
        odd = (quarter == 1.0) | (quarter == 3.0)
        c_out = s if odd else c
        s_out = c if odd else s
        cosine[i] = -c_out if (quarter == 1.0) | (quarter == 2.0) else c_out
        sine[i] = -s_out if quarter >= 2.0 else s_out
