"""How large a network may be."""

from __future__ import annotations

__all__ = ["MOST_LAYERS", "MOST_PARAMETERS", "check_size"]

MOST_LAYERS, MOST_PARAMETERS = 1024, 2**33


def check_size(layers: int, parameters: int) -> None:
    """Check that a network is of a size that some machine holds; each field may be small and their product not.

    Args:
      layers: Number of layers, about.
      parameters: Number of parameters, about.

    Raises:
      ValueError: if there are more than MOST_LAYERS or MOST_PARAMETERS.
    """
    if layers > MOST_LAYERS:
        raise ValueError(f"model.blocks: a network has at most {MOST_LAYERS:,} layers, this one about {layers:,}")
    if parameters > MOST_PARAMETERS:
        raise ValueError(
            f"model.channels: a network has at most {MOST_PARAMETERS:,} parameters, this one about {parameters:,}"
        )
