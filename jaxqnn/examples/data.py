"""Data sets of scikit-learn, scaled so that a feature is the angle of a rotation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """Points and targets, a part of them kept for the test.

    Attributes:
        train_points: Shape (train samples, features).
        train_targets: Shape (train samples,): labels -1 and 1, or real numbers.
        test_points: Shape (test samples, features).
        test_targets: Shape (test samples,).
        classes: What the labels -1 and 1 stand for; empty for real numbers.
    """

    train_points: FloatArray
    train_targets: FloatArray
    test_points: FloatArray
    test_targets: FloatArray
    classes: tuple[str, ...] = ()


def breast_cancer(num_features: int = 2, seed: int = 0) -> Data:
    """569 tumours, malignant or benign: the principal components of 30 measurements each."""
    data = load_breast_cancer()
    labels = 2.0 * data.target - 1.0
    return _split(
        data.data,
        labels,
        make_pipeline(StandardScaler(), PCA(num_features, whiten=True, random_state=seed)),
        0.6,  # three deviations stay within (-pi, pi)
        seed,
        tuple(str(name) for name in data.target_names),
    )


def digits(
    first: int = 3, second: int = 8, num_components: int | None = None, seed: int = 0
) -> Data:
    """Two of the ten handwritten digits: 8 x 8 pixels from 0 to 1, or principal components."""
    data = load_digits()
    chosen = np.isin(data.target, (first, second))
    labels = np.where(data.target[chosen] == first, -1.0, 1.0)
    points = data.data[chosen]
    names = (str(first), str(second))
    if num_components is None:
        return _split(points, labels, MinMaxScaler(), 1.0, seed, names)
    components = PCA(num_components, whiten=True, random_state=seed)
    return _split(points, labels, components, 0.6, seed, names)


def diabetes(seed: int = 0) -> Data:
    """442 patients: body mass, blood pressure and a blood value; how the illness proceeded.

    The targets are scaled to (-0.9, 0.9), so that an expectation value can reach them.
    """
    data = load_diabetes()
    chosen = [data.feature_names.index(name) for name in ("bmi", "bp", "s5")]
    targets = MinMaxScaler((-0.9, 0.9)).fit_transform(data.target[:, None])[:, 0]
    return _split(data.data[:, chosen], targets, StandardScaler(), 0.4, seed)


def iris_pair() -> tuple[FloatArray, NDArray[np.int64]]:
    """The two kinds of iris that no line separates: 100 flowers, 4 lengths, labels 0 and 1."""
    points, kinds = load_iris(return_X_y=True)
    chosen = kinds > 0
    return points[chosen], kinds[chosen] - 1


def _split(
    points: FloatArray,
    targets: FloatArray,
    scaler: Any,
    spread: float,
    seed: int,
    classes: tuple[str, ...] = (),
) -> Data:
    """Keeps a quarter for the test; the scaler, of unit spread, learns from the rest alone."""
    train, test, train_targets, test_targets = train_test_split(
        points, targets, test_size=0.25, random_state=seed, stratify=targets if classes else None
    )
    scaler.fit(train)
    return Data(
        spread * scaler.transform(train),
        train_targets,
        spread * scaler.transform(test),
        test_targets,
        classes,
    )
