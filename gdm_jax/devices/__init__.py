"""How work is put on devices.

program      what a compiled program depends on, and when it is compiled again
parallel     the training step over all devices: jax.jit on one, jax.pmap on many
batches      a function of examples in parts, spread over this host's devices
hosts        several processes that are one run
preemption   SIGTERM: save and end
"""

__all__: list[str] = []  # import the modules by their names
