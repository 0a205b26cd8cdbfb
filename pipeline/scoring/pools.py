"""Pools: which candidates a consensus is taken over, and an honest score for the consensus of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.params.grid import Configuration
from pipeline.scoring.consensus import compute_utilities, select_consensus
from pipeline.scoring.rouge.comparison import Rouge

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PREFIX = "consensus/"
# of two candidates each is as near to the other as the other to it
_SMALLEST = 3
# documents whose candidates are compared before they are forgotten
_TOGETHER = 1000
_FOLDS = 5


@dataclass(frozen=True)
class Pool:
    """A row of consensus: all candidates of some configurations, in the order of the grid.

    `weights` are by configuration, how much each of its candidates counts as a reference; empty for all alike.
    """

    name: str
    configurations: list[Configuration]
    weights: dict[str, float] = field(default_factory=dict)

    @property
    def cost(self) -> int:
        """Rows decoded a document."""
        return sum(configuration.cost for configuration in self.configurations)


def build_pool(
    spec: str, configurations: Sequence[Configuration], means: Mapping[str, float], weighted: bool = False
) -> Pool:
    """The pool that a spec of `score.consensus.pools` names.

    Args:
        means: mean score by configuration, for `top-K` and for weights.

    Raises:
        InputError: if a part of the spec is no pool and no family of the grid.
    """
    chosen: set[str] = set()
    for term in spec.split("+"):
        chosen |= _find_members(term, configurations, means)
    members = [configuration for configuration in configurations if configuration.name in chosen]
    weights = {member.name: means[member.name] for member in members} if weighted else {}
    return Pool(PREFIX + spec, members, weights)


def _find_members(term: str, configurations: Sequence[Configuration], means: Mapping[str, float]) -> set[str]:
    kinds = {
        "all": lambda settings: True,
        "greedy": lambda settings: settings.get("num_beams", 1) == 1 and not settings.get("do_sample"),
        "beam": lambda settings: settings.get("num_beams", 1) > 1,
        "samples": lambda settings: bool(settings.get("do_sample")),
    }
    families = dict.fromkeys(configuration.name.split("/")[0] for configuration in configurations)
    # a family called beam is meant before all configurations with beams
    if term in families:
        return {configuration.name for configuration in configurations if configuration.name.split("/")[0] == term}
    if term in kinds:
        return {configuration.name for configuration in configurations if kinds[term](configuration.settings)}
    if term.startswith("top-") and term[4:].isdecimal() and int(term[4:]):
        # sorting is stable, so of equals the first in the grid is taken
        ranked = sorted((c.name for c in configurations), key=lambda name: -means[name])
        return set(ranked[: int(term[4:])])
    raise InputError(
        f"params.yaml: score.consensus.pools: {term!r} is no pool; pools: {', '.join([*kinds, 'top-K', *families])}"
    )


def list_pools(
    specs: Sequence[str],
    candidates: "pd.DataFrame",
    configurations: Sequence[Configuration],
    means: Mapping[str, float],
) -> list[str]:
    """The specs that make a row: those with three candidates a document, each set of configurations once."""
    counts = candidates.groupby("configuration")["candidate"].nunique()
    found: dict[tuple[str, ...], str] = {}
    for spec in specs:
        members = tuple(member.name for member in build_pool(spec, configurations, means).configurations)
        if sum(int(counts[name]) for name in members) >= _SMALLEST:
            found.setdefault(members, spec)
    return list(found.values())


def assign_folds(count: int, seed: int) -> "np.ndarray":
    """(examples,): the fold of each example, of five like parts."""
    import numpy as np

    return np.random.default_rng(seed).permutation(count) % _FOLDS


def build_consensus_rows(
    candidates: "pd.DataFrame", scores: "pd.DataFrame", pools: Sequence[str], utility: "Utility", weighted: bool
) -> "pd.DataFrame":
    """The candidate that each pool's consensus picks for each example.

    Cross-fitted: whatever of a pool depends on validation scores (the members of top-K, the weights) comes, for each
    example, from the examples of the other folds. So a row is not flattered by having seen the answers it is scored on.

    Args:
        candidates: `pipeline.tables.CANDIDATES`, the configurations of the pools only.
        scores: (examples by id, configurations in the order of the grid), score of each one's first candidate.
        utility: what candidates are compared by.

    Returns:
        `id`, `text`, `finished`, `name`; every name has every id.
    """
    import pandas as pd

    folds = assign_folds(len(scores), utility.seed)
    fitted = {
        fold: [build_pool(spec, utility.configurations, scores[folds != fold].mean(), weighted) for spec in pools]
        # one example leaves no others to fit on
        for fold in (set(folds.tolist()) if len(scores) > 1 else ())
    } or {0: [build_pool(spec, utility.configurations, scores.mean(), weighted) for spec in pools]}
    rows = []
    for part, (places, ends) in _sort_candidates(candidates, scores):
        texts, names, finished = (part[column].tolist() for column in ("text", "configuration", "finished"))
        # candidates of all documents together would take a gigabyte a million
        with utility.rouge.holding(texts):
            for place, start, end in zip(places, ends[:-1], ends[1:], strict=True):
                own = texts[start:end]
                table = compute_utilities(own, utility.rouge, utility.metric_weights)
                for pool in fitted[int(folds[place])]:
                    chosen = pick_candidate(table, names[start:end], pool)
                    rows.append((scores.index[place], own[chosen], bool(finished[start + chosen]), pool.name))
    return pd.DataFrame(rows, columns=["id", "text", "finished", "name"])


@dataclass(frozen=True)
class Utility:
    """What a consensus is measured by: ROUGE and its weights, among the grid's configurations."""

    rouge: Rouge
    metric_weights: Mapping[str, float]
    configurations: Sequence[Configuration]
    seed: int


def _sort_candidates(
    candidates: "pd.DataFrame", scores: "pd.DataFrame"
) -> "Iterator[tuple[pd.DataFrame, tuple[range, np.ndarray]]]":
    """The candidates of some examples after the other, in the order of the examples; within one, of the grid, then of
    the rank. Beside them the examples' places in `scores`, and where each one's candidates begin and the last's end.
    """
    import numpy as np

    # a sorted copy of all takes as much memory as they do, and picking each example's own takes long
    examples = scores.index.get_indexer(candidates["id"])
    configurations = scores.columns.get_indexer(candidates["configuration"])
    order = np.lexsort((candidates["candidate"].to_numpy(), configurations, examples))
    ends = np.searchsorted(examples[order], np.arange(len(scores) + 1))
    for start in range(0, len(scores), _TOGETHER):
        places = range(start, min(start + _TOGETHER, len(scores)))
        own = ends[places.start : places.stop + 1]
        yield candidates.iloc[order[own[0] : own[-1]]], (places, own - own[0])


def pick_candidate(table: "np.ndarray", names: Sequence[str], pool: Pool) -> int:
    """The place, among a document's candidates, of the consensus of a pool.

    Args:
        table: (candidates, candidates) utilities.
        names: (candidates,) the configuration of each.
    """
    import numpy as np

    members = {configuration.name for configuration in pool.configurations}
    places = np.array([place for place, name in enumerate(names) if name in members])
    weights = np.array([pool.weights[names[place]] for place in places]) if pool.weights else None
    return int(places[select_consensus(table[np.ix_(places, places)], weights)])


def compute_cross_fitted(by_example: "np.ndarray", seed: int) -> float:
    """What choosing the best row is worth on examples that did not choose it.

    Args:
        by_example: (rows, examples) scores. Of each fifth, the row that is best on the rest is scored.
    """
    import numpy as np

    folds = assign_folds(by_example.shape[1], seed)
    taken = np.empty(by_example.shape[1])
    for fold in np.unique(folds):
        held = folds == fold
        rest = ~held if not held.all() else held
        taken[held] = by_example[by_example[:, rest].mean(axis=1).argmax(), held]
    return float(taken.mean())
