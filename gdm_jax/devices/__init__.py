"""How work is put on devices: what is compiled, over how many devices, on how many hosts."""
