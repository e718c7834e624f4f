"""Registering a dataclass as a pytree whose structure knows its class.

In jaxlib 0.10.2 the structures of two dataclasses registered by `jax.tree_util.register_dataclass`
compare equal when their static fields do, whatever the classes. A compiled function is looked up by
that structure, so that it could be found by a run of another model, or of another boundary, with as
many fields: not always (the hashes differ), and then with silently wrong numbers. Of 64 such
classes that were given to one compiled function, 11 ran the program of another.

Everything here is registered by `register_pytree`; a test makes sure of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import jax

from mfnjax.errors import ParameterError

T = TypeVar("T")


def register_pytree(cls: type[T]) -> type[T]:
    """Register a frozen dataclass as `jax.tree_util.register_dataclass` does, its class included.

    A field with ``metadata={"static": True}`` is static; one with ``metadata={"origin": True}``
    says where the others come from and stays behind when they are mapped or transformed (it is its
    default again); every other one is a child.

    Raises:
        ParameterError: The class keeps its fields in slots.

    Examples:
        >>> import jax
        >>> from mfnjax import Grid
        >>> structures = [jax.tree.structure(Grid((2, 2), 1.0, b)) for b in ("periodic", "neumann")]
        >>> structures[0] == structures[1]
        False
    """
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    static = tuple(f.name for f in fields if f.metadata.get("static"))
    origin = {f.name: f.default for f in fields if f.metadata.get("origin")}
    traced = tuple(f.name for f in fields if f.name not in (*static, *origin))
    names = traced + static
    keys = tuple(jax.tree_util.GetAttrKey(name) for name in traced)
    slots = {slot for base in cls.__mro__ for slot in vars(base).get("__slots__", ())}
    if slots.intersection(names):
        raise ParameterError(
            f"{cls.__name__} keeps {', '.join(sorted(slots.intersection(names)))} in slots: "
            "register_pytree needs a dataclass without slots=True"
        )

    def flatten(node: T) -> tuple[tuple[Any, ...], Any]:
        values = node.__dict__
        children = tuple([values[name] for name in traced])
        return children, (cls, *[values[name] for name in static])

    def flatten_with_keys(node: T) -> tuple[tuple[Any, ...], Any]:
        children, aux = flatten(node)
        return tuple(zip(keys, children, strict=True)), aux

    def unflatten(aux: Any, children: Any) -> T:
        node = object.__new__(cls)
        node.__dict__.update(zip(names, (*children, *aux[1:])), **origin)  # noqa: B905
        return node

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


def register_partly_fixed(
    is_fixed: Callable[[str, Any], bool],
) -> Callable[[type[T]], type[T]]:
    """As `register_pytree`, of a class whose fields are static where ``is_fixed(name, value)``."""

    def register(cls: type[T]) -> type[T]:
        names = tuple(f.name for f in dataclasses.fields(cls))  # type: ignore[arg-type]

        def flatten_with_keys(node: T) -> tuple[list[Any], Any]:
            values = [(name, node.__dict__[name]) for name in names]
            fixed = tuple([(value,) if is_fixed(name, value) else None for name, value in values])
            children = [
                (jax.tree_util.GetAttrKey(name), value)
                for (name, value), one in zip(values, fixed, strict=True)
                if one is None
            ]
            return children, (cls, fixed)

        def flatten(node: T) -> tuple[list[Any], Any]:
            children, aux = flatten_with_keys(node)
            return [child for _, child in children], aux

        def unflatten(aux: Any, children: Any) -> T:
            rest, node = iter(children), object.__new__(cls)
            values = [next(rest) if fixed is None else fixed[0] for fixed in aux[1]]
            node.__dict__.update(zip(names, values, strict=True))
            return node

        jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
        return cls

    return register
