"""MyceliumFractalNet v4.1: the model, its smooth twin, and what makes its runs fast."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
