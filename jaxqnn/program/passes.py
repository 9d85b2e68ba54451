"""Passes: pure functions from program to program that keep what is measured."""

from __future__ import annotations

from dataclasses import replace

from jaxqnn.circuit.angles import Angle
from jaxqnn.program.cliffords import turned
from jaxqnn.program.program import Layer, Program


def with_global_phase(program: Program) -> Program:
    """Writes the global phase into the layers, so that amplitudes and their derivatives have it.

    A phase of mask 0 turns every label alike: exp(-i/2 angle) = exp(i global_phase) for
    angle = -2 global_phase.

    Args:
        program: Any program.

    Returns:
        A program of the same state whose own global phase is zero.
    """
    if program.global_phase.is_zero:
        return program
    if not program.layers and program.amplitudes:
        amplitudes = turned(program.amplitudes, program.global_phase)
        if amplitudes is not None:
            return replace(program, amplitudes=amplitudes, global_phase=Angle())
    phase = (0, program.global_phase.scaled(-2.0))
    layers = list(program.layers)
    if layers and not _moves_amplitudes(layers[-1]):
        layers[-1] = replace(layers[-1], phases=(*layers[-1].phases, phase))
    else:
        layers.append(Layer(_identity(program.num_qubits), (phase,)))
    return replace(program, layers=tuple(layers), global_phase=Angle())


def without_final_phases(program: Program) -> Program:
    """Drops the phases after the last rotations, which change no probability.

    Args:
        program: A program of which nothing but the probabilities of labels is measured.

    Returns:
        A program of the same probabilities; its global phase is zero.
    """
    layers = list(program.layers)
    for index in reversed(range(len(layers))):
        if _moves_amplitudes(layers[index]):
            break
        layers[index] = replace(layers[index], phases=())
    identity = _identity(program.num_qubits)
    while layers and not _moves_amplitudes(layers[-1]) and layers[-1].label_map == identity:
        layers.pop()
    return replace(program, layers=tuple(layers), global_phase=Angle())


def _moves_amplitudes(layer: Layer) -> bool:
    return bool(layer.rotations) or layer.block is not None


def _identity(num_qubits: int) -> tuple[int, ...]:
    return tuple(1 << bit for bit in range(num_qubits))
