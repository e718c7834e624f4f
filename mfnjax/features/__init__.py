"""The 18 features of a field, a history or a mask, and their differentiable twins."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
