"""The pipeline's stages, one entry point each: python -m stages.<name>."""

import os

# Threads of torch that wait for one another sleep. Spinning instead, two stages side by side on two cores
# (or any other load) make each several times slower. Read when torch is loaded, so it is set before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
