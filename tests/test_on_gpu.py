"""What only a GPU can show: the kernels' own machine code, and arrays that stay there."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import CASES, observables, values

import jaxqnn
from jaxqnn.backends.backend import Precision
from jaxqnn.sweep.gpu import kernels
from jaxqnn.torch_device import stays_on_device


def gpu() -> jax.Device | None:
    """JAX's first GPU, or None."""
    try:
        return jax.devices("gpu")[0]
    except RuntimeError:
        return None


pytestmark = pytest.mark.skipif(gpu() is None, reason="needs a GPU that JAX computes on")


def test_the_kernels_are_used() -> None:
    assert kernels.are_here()
    case = CASES["mixed"]()
    function = jaxqnn.expectation(case.circuit, **case.split)
    x, w = values(case, 3)
    with jax.enable_x64(True), jax.default_device(gpu()):
        text = jax.jit(jax.grad(lambda w: function(x, w).sum())).lower(w).as_text()
    assert text.count(kernels.SWEEP) == 2


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 1e-10), (np.float32, 1e-4)])
def test_functions_and_derivatives_equal_the_cpus(name: str, dtype: Any, atol: float) -> None:
    case = CASES[name]()
    function = jaxqnn.expectation(case.circuit, observables(case.circuit.num_qubits), **case.split)
    x, w = (part.astype(dtype) for part in values(case, 3))

    def everything(x: Any, w: Any) -> Any:
        value, pull = jax.vjp(function, x, w)
        return value, pull(jnp.cos(value)), jax.jvp(function, (x, w), (x, w))[1]

    found = []
    with jax.enable_x64(dtype is np.float64):
        for device in (gpu(), jax.devices("cpu")[0]):
            found.append(jax.jit(everything)(*jax.device_put((x, w), device)))
    for mine, theirs in zip(*map(jax.tree.leaves, found), strict=True):
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine, theirs, atol=atol)


@pytest.mark.parametrize(("precision", "rtol"), [("double", 1e-10), ("single", 1e-5)])
def test_networks_equal_the_cpus(precision: Precision, rtol: float) -> None:
    case = CASES["mixed"]()
    x, w = values(case, 3)
    found = []
    for device in (gpu(), "cpu"):
        network = jaxqnn.EstimatorQNN(
            circuit=case.circuit,
            observables=observables(case.circuit.num_qubits),
            input_params=list(case.inputs),
            weight_params=list(case.weights),
            input_gradients=True,
            precision=precision,
            device=device,
        )
        cotangent = np.ones((3, *network.output_shape))
        pulled = network.vjp(x, w)[1](cotangent)
        found.append((network.forward(x, w), *network.backward(x, w), *pulled))
    for mine, theirs in zip(*found, strict=True):
        # Written by the GPU, yet the caller's own.
        assert mine.flags.writeable == theirs.flags.writeable
        np.testing.assert_allclose(mine, theirs, atol=rtol * np.abs(theirs).max())


def test_torch_tensors_stay_on_the_device() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU")
    case = CASES["mixed"]()
    network = jaxqnn.EstimatorQNN(
        circuit=case.circuit, input_params=list(case.inputs), weight_params=list(case.weights)
    )
    x, w = values(case, 3)
    found = []
    for place in ("cpu", "cuda"):
        layer = jaxqnn.TorchConnector(network, torch.tensor(w)).to(place)
        data = torch.tensor(x, device=place, requires_grad=True)
        assert stays_on_device(network, data, layer.weight) == (place == "cuda")
        output = layer(data)
        assert output.device.type == place
        (output**2).sum().backward()
        found.append([p.cpu() for p in (output.detach(), data.grad, layer.weight.grad)])
    for host, device in zip(*found, strict=True):
        np.testing.assert_allclose(device, host, atol=1e-10)
