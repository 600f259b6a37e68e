"""A page to take hold of a latent: mix its groups, move its elements, draw it anew, in a browser or a notebook.

    gdm explore --workdir fruits
    gdm_jax.explore(model)

    state      the settings of the page, as a link and as the lines of Python that do the same
    studio     settings -> pictures
    controls   settings <-> values of sliders and numbers
    page       what is where, and what happens when; in Gradio (`pip install 'gdm-jax[explore]'`)
"""

from gdm_jax.explorer.page import explore
from gdm_jax.explorer.state import State, from_link, image, lines, link
from gdm_jax.explorer.studio import Studio

__all__ = ["State", "Studio", "explore", "from_link", "image", "lines", "link"]
