"""What there is to see of a trained model: pictures, edits, and tables with them.

    samples      grids, strips and films of how samples come about; reconstructions; mixed groups
    edits        images edited in their latents (Figs. 3, 4b, 6-9); EDITS by name
    bands        what each group of the latent carries (Fig. 4a, Remark 4.1)
    likelihood   log p(x) by group, as a table and a map
    report       text, numbers and pictures together, and how they are written
"""

from gdm_jax.reports.report import Report, save, table

__all__ = ["Report", "save", "table"]
