"""Functions of a model's modules replaced for a while."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

# a module, the name of its function, what stands there meanwhile
Patch = tuple[Any, str, Callable[..., Any]]


@contextmanager
def patched(patches: Iterable[Patch]) -> Iterator[None]:
    """Each function is replaced inside the block; after it, what stood there before stands there again."""
    undo = []
    try:
        for module, name, function in patches:
            undo.append((module, name, vars(module).get(name)))
            setattr(module, name, function)
        yield
    finally:
        for module, name, before in reversed(undo):
            if before is None:
                delattr(module, name)
            else:
                setattr(module, name, before)
