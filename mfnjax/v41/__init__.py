"""The documented layer of MyceliumFractalNet v4.1: a configuration in, a result out.

These names are a contract with the users of v4.1. Nothing is computed here: a configuration
becomes a `mfnjax.Simulation` and a seed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
