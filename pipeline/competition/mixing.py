"""Further data sets mixed into a competition's own at ratios, drawn by seed.

Only what is learnt is mixed: validation and test stay the competition's own, so a ratio is judged by its domain.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.competition.cleaning.tables import list_unread

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Source:
    """A further data set.

    Args:
        name: what its ids begin with.
        rows: `id`, `text`, `summaries`; an empty list of summaries where there are none.
        weight: rows wanted of it for each of the competition's own training rows; 0.25 mixes 8 : 2.
        textless: ids of rows that were left out, for they have no text.
    """

    name: str
    rows: "pd.DataFrame"
    weight: float
    textless: Sequence[str] = ()


def draw_sources(sources: Sequence[Source], own: int, seed: int) -> "tuple[pd.DataFrame, list[dict[str, Any]]]":
    """So many rows of each source as its weight asks for; a small one is repeated, whole before any row comes again.

    Args:
        own: the competition's own training rows.

    Returns:
        Rows whose ids name their source (and from the second time on, which time it is), in the order of the sources;
        and for each source what it gave.
    """
    import pandas as pd

    parts, counts = [], []
    for place, source in enumerate(sources):
        # a draw depends on the source's place alone, so that another weight of one leaves the others as they are
        part = _draw(source, round(source.weight * own), random.Random(f"{seed} {place}"))
        parts.append(part)
        count = {"name": source.name, "weight": source.weight, "rows": len(source.rows), "drawn": len(part)}
        counts.append({**count, "labelled": int(_are_labelled(part).sum()), "without_text": len(source.textless)})
    if not parts:
        return pd.DataFrame({"id": [], "text": [], "summaries": []}, dtype=object), counts
    return pd.concat(parts, ignore_index=True), counts


def _draw(source: Source, wanted: int, rng: random.Random) -> "pd.DataFrame":
    """In the source's order, time after time."""
    size = len(source.rows)
    places = [place for _ in range(wanted // size) for place in range(size)] if size else []
    places += sorted(rng.sample(range(size), min(wanted - len(places), size)))
    rows = source.rows.iloc[places]
    again = (f"#{number // size + 1}" if number >= size else "" for number in range(len(places)))
    names = [f"{source.name}#{name}{time}" for name, time in zip(rows["id"], again, strict=True)]
    # columns stay of their kind, which may be Arrow's
    return rows.assign(id=names).astype(source.rows.dtypes)


def _are_labelled(rows: "pd.DataFrame") -> "pd.Series":
    return rows["summaries"].map(lambda many: len(many) > 0).astype(bool)


def mix(own: "pd.DataFrame", drawn: "pd.DataFrame") -> "pd.DataFrame":
    """Training rows: the competition's own, and behind them those drawn that have summaries."""
    import pandas as pd

    labelled = drawn[_are_labelled(drawn)]
    return pd.concat([own, labelled.astype(own.dtypes)], ignore_index=True) if len(labelled) else own


def describe_sources(counts: Sequence[dict[str, Any]], own: int) -> list[str]:
    """A line for each source."""
    lines = []
    for count in counts:
        line = (
            f"extra: {count['name']}: {count['drawn']} of {count['rows']} rows drawn (weight {count['weight']:g} of "
            f"{own} own rows), {count['labelled']} of them with summaries"
        )
        if count["drawn"] > count["rows"]:
            line += f"; each stands there up to {-(-count['drawn'] // count['rows'])} times"
        if count["without_text"]:
            line += f"; {count['without_text']} rows without text are left out, data/processed/removed.csv lists them"
        lines.append(line)
    return lines


def list_removed(removed: "pd.DataFrame", sources: Sequence[Source]) -> "pd.DataFrame":
    """The rows of removed.csv, and behind them those of the sources that have no text."""
    import pandas as pd

    names = [f"{source.name}#{name}" for source in sources for name in source.textless]
    return pd.concat([removed, list_unread(names)], ignore_index=True) if names else removed
