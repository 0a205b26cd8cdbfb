"""Texts in Arrow's memory: Python's strings take two to four times as much, and there only while they are looked at."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, overload

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# texts that are made into Python's strings together
_BATCH = 256


class Texts(Sequence[str]):
    """A sequence of str over an Arrow array, or over some of its places in an order of their own."""

    def __init__(self, texts: "Iterable[str] | pa.ChunkedArray", places: np.ndarray | None = None):
        self.array = texts.array if isinstance(texts, Texts) else to_arrow(texts)
        self._chunks = self.array.chunks
        self._starts = np.cumsum([0, *map(len, self._chunks)])
        self.places = texts.places if isinstance(texts, Texts) else places

    def __len__(self) -> int:
        return len(self.array) if self.places is None else len(self.places)

    @overload
    def __getitem__(self, number: int) -> str: ...

    @overload
    def __getitem__(self, number: slice) -> list[str]: ...

    def __getitem__(self, number: int | slice) -> str | list[str]:
        if isinstance(number, slice):
            return [self[place] for place in range(*number.indices(len(self)))]
        place = int(range(len(self))[number] if self.places is None else self.places[number])
        chunk = int(self._starts.searchsorted(place, side="right")) - 1
        return self._chunks[chunk][place - int(self._starts[chunk])].as_py()

    def __iter__(self) -> Iterator[str]:
        if self.places is not None:
            yield from map(self.__getitem__, range(len(self)))
            return
        for chunk in self._chunks:
            for start in range(0, len(chunk), _BATCH):
                yield from chunk.slice(start, _BATCH).to_pylist()

    def select(self, numbers: np.ndarray) -> "Texts":
        """Some of the texts, in an order of their own; nothing is copied."""
        return Texts(self.array, numbers if self.places is None else self.places[numbers])

    def sort_distinct(self) -> "tuple[Texts, np.ndarray]":
        """The distinct texts in the order of their characters, and for each text the number of its equal there."""
        import pyarrow.compute as pc

        # by the bytes of UTF-8, whose order is that of characters
        order = pc.sort_indices(self.array).to_numpy()
        if self.places is not None:
            ranks = np.empty(len(order), np.int64)
            ranks[order] = np.arange(len(order))
            order = np.argsort(ranks[self.places], kind="stable")
        is_first, before = np.zeros(len(order), bool), None
        for rank, text in enumerate(self.select(order)):
            is_first[rank] = text != before
            before = text
        numbers = np.empty(len(order), np.int64)
        numbers[order] = is_first.cumsum() - 1
        return self.select(order[is_first]), numbers


def take_memory_sparingly() -> None:
    """Lets Arrow take its memory from jemalloc where that is built in.

    Of a million documents mimalloc, its default, held 1,039 MB and jemalloc 859 MB, for 713 MB of text.
    """
    import pyarrow as pa

    with suppress(NotImplementedError):
        pa.set_memory_pool(pa.jemalloc_memory_pool())


def take_apart(frame: "pd.DataFrame") -> "dict[str, list[pa.Array]]":
    """A frame's columns as Arrow's chunks; who then drops the frame can drop them one by one."""
    return {str(name): list(to_arrow(frame[name]).chunks) for name in frame}


def separate(columns: "dict[str, list[pa.Array]]", is_second: np.ndarray) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Rows in two frames. The columns are used up on the way, so that a large table is never in memory twice.

    Args:
        columns: as `take_apart` gives them.
        is_second: (rows,) whether a row goes into the second frame.
    """
    import pandas as pd
    import pyarrow as pa

    sides: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for name in list(columns):
        chunks = columns.pop(name)[::-1]
        kind = chunks[0].type if chunks else pa.large_string()
        parts: tuple[list[pa.Array], list[pa.Array]] = ([], [])
        start = 0
        while chunks:
            chunk = chunks.pop()
            mask = is_second[start : start + len(chunk)]
            for side, rows in zip(parts, (~mask, mask), strict=True):
                side.append(chunk.filter(pa.array(rows)))
            start += len(chunk)
        for side, part in zip(sides, parts, strict=True):
            side[name] = to_column(pa.chunked_array(part, kind))
    first, second = (pd.DataFrame(side) for side in sides)
    return first, second


def map_texts(texts: Any, change: Callable[[list[str]], list[str]]) -> "pa.ChunkedArray":
    """Texts changed part by part; a part in which nothing changes stays where it is in memory.

    Args:
        change: new texts for some, in their order.
    """
    import pyarrow as pa

    chunks = []
    for chunk in to_arrow(texts).chunks:
        old = chunk.to_pylist()
        new = change(old)
        chunks.append(chunk if new == old else pa.array(new, chunk.type))
    return pa.chunked_array(chunks, chunks[0].type if chunks else pa.large_string())


def flatten(lists: Any) -> "tuple[pa.ChunkedArray, np.ndarray]":
    """The texts of a column of lists behind one another, and (rows,) the length of each list."""
    import pyarrow as pa

    array = to_arrow(lists)
    if not len(array):
        return pa.chunked_array([], pa.large_string()), np.zeros(0, np.int64)
    # of lists that all are empty Arrow does not know what they would hold
    chunks = [chunk.flatten().cast(pa.large_string()) for chunk in array.chunks]
    return pa.chunked_array(chunks, pa.large_string()), count_items(array)


def count_items(lists: Any) -> np.ndarray:
    """(rows,): the length of each list of a column of lists, without making any of them."""
    import pyarrow.compute as pc

    return pc.list_value_length(to_arrow(lists)).to_numpy().astype(np.int64)


def to_column(array: "pa.ChunkedArray") -> Any:
    """A pandas column over Arrow's memory: text as pandas' own str, anything else as Arrow has it."""
    import pandas as pd
    import pyarrow as pa

    if not pa.types.is_large_string(array.type) and not pa.types.is_string(array.type):
        return pd.arrays.ArrowExtensionArray(array)
    return pd.array(array.cast(pa.large_string()), dtype=pd.StringDtype("pyarrow", na_value=np.nan))


def to_arrow(texts: Any) -> "pa.ChunkedArray":
    """A column or any texts as an Arrow array in chunks; those of Arrow's memory stay where they are."""
    import pyarrow as pa

    if isinstance(texts, pa.ChunkedArray):
        return texts
    if isinstance(texts, Texts):
        return texts.array if texts.places is None else pa.chunked_array([pa.array(list(texts), pa.large_string())])
    array = texts.array.__arrow_array__() if hasattr(getattr(texts, "array", None), "__arrow_array__") else None
    if array is None:
        values = list(texts)
        are_texts = not values or isinstance(values[0], str)
        array = pa.array(values, pa.large_string() if are_texts else None)
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
