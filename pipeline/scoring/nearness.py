"""How near continuations are to what people wrote, for there are no references to compare with.

As Holtzman et al. 2020 (1904.09751) choose a way of decoding: not the likeliest text is the best, but the one whose
statistics are those of human text.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.competition.word_overlap import compute_known_words
from pipeline.errors import InputError
from pipeline.params.grid import HUMAN, UNTUNED
from pipeline.scoring.figures import FIGURES, MEASURES, compute_figures
from pipeline.scoring.leaderboard import insert_intervals, sort_rows
from pipeline.scoring.rouge.comparison import Rouge
from pipeline.scoring.rouge.tokenizers import describe_tokenizer
from pipeline.scoring.rows import BESIDE, CONFIGURATION, digest_references

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from pipeline.params.grid import Configuration
    from pipeline.params.result_sections import ScoreParams

# standard deviations; where neither side varies, any difference would be without end
FARTHEST = 10.0
_KINDS = {**BESIDE, HUMAN: HUMAN}


def compute_nearness(figures: "pd.DataFrame", human: "pd.DataFrame") -> np.ndarray:
    """(documents,) whose mean is the score: minus the mean absolute standardised difference to the human texts.

    A figure's difference is that of the means, in standard deviations pooled over both sides (Cohen's d, as Rosenbaum &
    Rubin 1985 compare groups), at most `FARTHEST`. Every measure counts alike, however many figures say it. 0 is human;
    by Cohen's rule of thumb -0.2 is a small difference and -0.8 a large one.

    A document's value is what it adds to that, the direction of each difference taken as it is over all documents, so
    that the intervals of `pipeline.scoring.bootstrap` hold to first order.

    Args:
        figures, human: of `compute_figures`, on the same documents, each beside the other.
    """
    total = np.zeros(len(human))
    for columns in MEASURES.values():
        for column in columns:
            ours, theirs = figures[column].to_numpy(), human[column].to_numpy()
            apart, gap = ours - theirs, ours.mean() - theirs.mean()
            spread = max(np.sqrt((ours.var() + theirs.var()) / 2), abs(gap) / FARTHEST)
            if spread:
                total -= np.sign(gap) * apart / spread / len(columns) / len(MEASURES)
    return total


def compute_text_scores(
    candidates: "pd.DataFrame", ids: "Sequence[str]", train: "Sequence[str]", params: "ScoreParams"
) -> "pd.DataFrame":
    """A row a name and document: `name`, `kind`, `id`, `text` (of the first candidate), `finished` and `length_ratio`
    (means over the candidates; characters to those of the human text), `score`, and `FIGURES`.

    Args:
        candidates: `pipeline.tables.CONTINUATIONS`, people's among them; the untuned base may have written on some
            openings alone, and is then compared with people on those.
        ids: of the validation documents.
        train: whole training texts.

    Raises:
        InputError: if candidates and documents do not belong together.
    """
    import pandas as pd

    known = compute_known_words({"texts": list(candidates["text"])}, train, "overlap with train")["texts"]
    candidates = candidates.assign(known=known.shares * known.counts, ngrams=known.counts)
    rouge, groups = Rouge(params.tokenizer), dict(iter(candidates.groupby("configuration", sort=False)))
    kinds = {name: _KINDS.get(name, CONFIGURATION) for name in groups}
    documents = {
        name: [one for one in ids if one in held] if kinds[name] == UNTUNED else list(ids)
        for name, held in ((name, set(group["id"])) for name, group in groups.items())
    }
    for name, group in groups.items():
        own = documents[name]
        if any(set(rank["id"]) != set(own) or len(rank) != len(own) for _, rank in group.groupby("candidate")):
            raise InputError(
                f"predictions/valid.parquet: configuration {name!r} has not every validation text; "
                "run the decode stage again"
            )
    if HUMAN not in groups:
        raise InputError("predictions/valid.parquet: holds no human texts; run the decode stage again")
    human = groups[HUMAN]
    lengths = human.set_index("id")["text"].str.len().clip(lower=1)
    rows = []
    for name, group in groups.items():
        own = documents[name]
        texts = group[group["candidate"] == 0].set_index("id").loc[own, "text"]
        by_id = group.assign(length=group["text"].str.len() / group["id"].map(lengths)).groupby("id")
        means = by_id[["finished", "length"]].mean().loc[own]
        row = pd.DataFrame({"name": name, "kind": kinds[name], "id": own, "text": texts.to_numpy()})
        row = row.assign(finished=means["finished"].to_numpy(), length_ratio=means["length"].to_numpy())
        # people's text stands beside each candidate of its document, and both are counted as far as the shorter goes
        beside = human[human["id"].isin(own)]
        people = pd.concat([beside.assign(candidate=rank) for rank in sorted(set(group["candidate"]))])
        pair = compute_figures(group, own, rouge, people), compute_figures(people, own, rouge, group)
        row["score"] = compute_nearness(*pair)
        rows.append(pd.concat([row, compute_figures(group, own, rouge).reset_index(drop=True)], axis=1))
    return pd.concat(rows, ignore_index=True)


def build_text_leaderboard(
    scored: "pd.DataFrame",
    configurations: "Sequence[Configuration]",
    seconds: "Mapping[str, float]",
    params: "ScoreParams",
    seed: int,
) -> "pd.DataFrame":
    """A row a name, best first, people's beside them: as `pipeline.scoring.leaderboard.build_leaderboard`, with figures
    of texts in place of ROUGE, and `perplexity` in place of its logarithm.

    Args:
        scored: as `compute_text_scores` makes it.
        configurations: what has a cost.
        seconds: that decoding took, by configuration.
    """
    import pandas as pd

    groups = scored.groupby("name", sort=False)
    board = pd.DataFrame(groups[["score", *FIGURES, "length_ratio"]].mean())
    board.insert(0, "kind", groups["kind"].first())
    board.insert(board.columns.get_loc("nats"), "perplexity", np.exp(board.pop("nats")))
    board["documents"] = groups["id"].nunique()
    board["at_cap"] = 1 - groups["finished"].mean()
    costs = {one.name: one.cost for one in configurations}
    board["cost"] = [costs.get(name, 0) for name in board.index]
    board["seconds"] = [seconds.get(name, np.nan) for name in board.index]
    return insert_intervals(sort_rows(board, scored), scored, params, seed)


def build_text_details(
    leaderboard: "pd.DataFrame", selected: str, examples: "pd.DataFrame", params: "ScoreParams"
) -> dict[str, Any]:
    """details/scores.json: the selected row and the human texts beside it, and what the score means."""
    by_name, shown = leaderboard.set_index("name"), [c for c in leaderboard.columns if c in (*FIGURES, "perplexity")]

    def describe(name: str, *more: str) -> dict[str, float]:
        return {key: round(float(by_name.loc[name, key]), 4) for key in (*more, *shown, "length_ratio", "at_cap")}

    tokenizer, weights = describe_tokenizer(params.tokenizer), {name: 1 / len(MEASURES) for name in MEASURES}
    details = {
        "tokenizer": tokenizer,
        "documents": len(examples),
        "selected_name": selected,
        "selected": describe(selected, "score", "score_low", "score_high", "expected"),
        HUMAN: describe(HUMAN),
        "scale": {"tokenizer": tokenizer, "weights": weights, "split": digest_references(examples)},
    }
    return {**details, UNTUNED: describe(UNTUNED, "score")} if UNTUNED in by_name.index else details
