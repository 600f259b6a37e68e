import sys

from gdm_jax.cli.main import main

sys.exit(main())
