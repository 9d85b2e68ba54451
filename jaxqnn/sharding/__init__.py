"""Samples and amplitudes over many devices: the ``mesh=`` argument.

A mesh axis named "batch" shares out the samples, one named "state" the amplitudes.  ``placement``
chooses, on the host, which bits of a label name the device; ``tables`` writes that as arrays;
``engine`` runs it on one device's part and exchanges amplitudes by ``all_to_all``; ``outcomes``
measures.  Whole states are ``sweep.primitive``'s.  ``measured`` has either
as each device runs it, and maps it over the mesh.
"""
