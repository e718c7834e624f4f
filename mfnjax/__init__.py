"""mfnjax: differentiable simulation of pattern-forming fields on JAX.

What is public is listed in the stub beside this file. A name is imported when it is first used, so
that ``import mfnjax`` and ``mfn --help`` do not wait for JAX.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
