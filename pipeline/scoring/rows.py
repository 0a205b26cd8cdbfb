"""The rows of the leaderboard: who summarized what, and what each summary scores."""

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Any

from pipeline.competition.external import ADVICE
from pipeline.errors import InputError, and_more
from pipeline.params.grid import BASELINES, FEW_SHOT, MAP_REDUCE, UNTUNED
from pipeline.scoring.baselines import build_baseline
from pipeline.scoring.repetition import compute_copied, compute_repetition
from pipeline.scoring.rouge.comparison import METRICS, Rouge
from pipeline.scoring.rouge.pairs import combine_metrics, compute_rouge, compute_rouge_details
from pipeline.scoring.rouge.tokenizers import describe_tokenizer

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.params.result_sections import ScoreParams

CONFIGURATION, BASELINE, CONSENSUS, EXTERNAL = "configuration", "baseline", "consensus", "external"
# chosen by what was learnt on validation (`pipeline.scoring.ranking`)
RANK = "rank"
# what is decoded here; the rest is shown beside, and only used when named
OWN = (CONFIGURATION, CONSENSUS, MAP_REDUCE, RANK)
# documents whose rows are scored together
_TOGETHER = 1000
# kinds of what is decoded beside the grid, by name
BESIDE = {UNTUNED: UNTUNED, FEW_SHOT: UNTUNED, MAP_REDUCE: MAP_REDUCE}


@dataclass(frozen=True)
class External:
    """A file of summaries made elsewhere: the row's name, its path, its content's SHA-256 and its summaries by id.

    `test_summaries` are those of test documents where the file tells them apart; else None, and `summaries` are both.
    """

    name: str
    file: str
    sha256: str
    summaries: dict[str, str]
    cost: int = 0
    test_summaries: dict[str, str] | None = None

    def check_ids(self, valid: Iterable[str], test: Iterable[str]) -> None:
        """Raises InputError if an id of the file is that of a validation and of a test document alike."""
        shared = set(valid) & set(test)
        if self.test_summaries is None and (found := [name for name in self.summaries if name in shared]):
            raise InputError(
                f"{self.file}: {found[0]!r} is a validation and a test document{and_more(len(found) - 1)}; {ADVICE}"
            )

    def pick_summaries(self, ids: Iterable[str], split: str) -> list[str]:
        """The summaries of the documents of a split (`validation` or `test`), in their order.

        Raises:
            InputError: if the file lacks one of them.
        """
        summaries = self.test_summaries if split == "test" and self.test_summaries is not None else self.summaries
        if missing := [name for name in ids if name not in summaries]:
            raise InputError(
                f"{self.file}: has no summary for {split} document {missing[0]!r}{and_more(len(missing) - 1)}"
            )
        return [summaries[name] for name in ids]


def collect_rows(
    candidates: "pd.DataFrame", examples: "pd.DataFrame", externals: Sequence[External] = ()
) -> "pd.DataFrame":
    """First candidates, baselines and external summaries, aligned with the examples.

    Returns:
        `name`, `kind` (`configuration`, `map-reduce`, `untuned`, `baseline` or `external`), `id`, `text`, `finished`;
        every name has every id, but those of the untuned base.

    Raises:
        InputError: if candidates or an external file and the examples do not belong together.
    """
    import pandas as pd

    first = candidates[candidates["candidate"] == 0]
    rows = []
    for name, group in first.groupby("configuration", sort=False):
        kind, ids = BESIDE.get(name, CONFIGURATION), set(group["id"])
        few = examples["id"].isin(ids) if kind == UNTUNED else examples["id"].notna()
        if len(group) != few.sum() or ids != set(examples["id"][few]):
            raise InputError(
                f"predictions/valid.parquet: configuration {name!r} has {len(group)} predictions for {len(examples)} "
                "validation examples; run the decode stage again"
            )
        aligned = group.set_index("id").loc[examples["id"][few]]
        rows.append(aligned.reset_index()[["id", "text", "finished"]].assign(name=name, kind=kind))
    if all(row["kind"].iloc[0] != CONFIGURATION for row in rows):
        raise InputError("predictions/valid.parquet: holds no configuration; run the decode stage again")
    made = {name: (BASELINE, [build_baseline(name, text) for text in examples["text"]]) for name in BASELINES}
    check_external_names(externals, first["configuration"].unique())
    for external in externals:
        made[external.name] = (EXTERNAL, external.pick_summaries(examples["id"], "validation"))
    for name, (kind, texts) in made.items():
        rows.append(pd.DataFrame({"id": examples["id"], "text": texts, "finished": True, "name": name, "kind": kind}))
    return pd.concat(rows, ignore_index=True)


def check_external_names(externals: Sequence[External], configurations: Iterable[str]) -> None:
    """Raises InputError if an external file has the name of another row."""
    taken = {"best", *BASELINES, *configurations}
    for external in externals:
        if external.name in taken:
            raise InputError(f"{external.file}: the leaderboard has a row {external.name!r} already; rename the file")
        taken.add(external.name)


def compute_scores(
    rows: "pd.DataFrame", examples: "pd.DataFrame", params: "ScoreParams", rouge: Rouge
) -> "pd.DataFrame":
    """`rows` with ROUGE on the board's tokenizer (`rouge1`, `rouge1_precision` ...), ROUGE F1 on whitespace
    (`whitespace_rouge1` ...), the weighted `score`, and what explains it: length, repetition, copying.

    Args:
        rouge: on the board's tokenizer; what it has seen before is not tokenized again.
    """
    import pandas as pd

    references = examples.set_index("id")["summaries"]
    # what stands between texts and scores takes several times their memory; of some documents at a time, it is little
    places = references.index.get_indexer(rows["id"])
    scored = []
    for turn, part in rows.reset_index(drop=True).groupby(places // _TOGETHER):
        few = examples.iloc[turn * _TOGETHER : (turn + 1) * _TOGETHER]
        documents = dict(zip(few["id"], few["text"], strict=True))
        own = references.loc[part["id"]].tolist()
        with rouge.holding(chain(documents.values(), part["text"], chain.from_iterable(own))):
            scored.append(_score_rows(part, own, documents, params, rouge))
    return pd.concat(scored).sort_index()


def _score_rows(
    rows: "pd.DataFrame", references: list[Any], documents: dict[str, str], params: "ScoreParams", rouge: Rouge
) -> "pd.DataFrame":
    """`compute_scores` of some rows.

    Args:
        references: of each row.
        documents: texts by id.
    """
    import pandas as pd

    board = compute_rouge_details(list(rows["text"]), references, rouge, list_metrics(params))
    plain = compute_rouge(list(rows["text"]), references, "whitespace").add_prefix("whitespace_")
    lengths = [len(text) / max(len(many[0]), 1) for text, many in zip(rows["text"], references, strict=True)]
    profiles = [rouge.build_profile(text) for text in rows["text"]]
    extra: dict[str, Any] = {f"rep{n}": [compute_repetition(p.tokens, n) for p in profiles] for n in (2, 3, 4)}
    copied_from = (rouge.build_profile(documents[name]) for name in rows["id"])
    extra["copied"] = list(map(compute_copied, profiles, copied_from))
    # of half a million rows, lists of tokens would take twice as much
    extra["tokens"] = [array("i", profile.tokens) for profile in profiles]
    scored = pd.concat([rows.reset_index(drop=True), board, plain], axis=1)
    scored = scored.assign(score=combine_metrics(board, params.weights), length_ratio=lengths, **extra)
    return scored.set_axis(rows.index)


def list_metrics(params: "ScoreParams") -> list[str]:
    """The board's three, whatever else has weight, and what is shown beside."""
    return list(dict.fromkeys([*METRICS, *(m for m, w in params.weights.items() if w), *params.extra_metrics]))


def describe_scale(examples: "pd.DataFrame", params: "ScoreParams") -> dict[str, Any]:
    """What a score means, and so which scores can be ranked with each other: the tokenizer with its versions, the share
    of each metric, and a digest of the validation documents' ids and references."""
    return {
        "tokenizer": describe_tokenizer(params.tokenizer),
        "weights": compute_shares(params.weights),
        "split": digest_references(examples),
    }


def compute_shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Each weight's share of their sum, to six digits; those that have one, by name.

    >>> compute_shares({"rouge2": 1, "rouge1": 3, "rougeL": 0})
    {'rouge1': 0.75, 'rouge2': 0.25}
    """
    total = sum(weights.values())
    return {name: round(weight / total, 6) for name, weight in sorted(weights.items()) if weight}


def digest_references(examples: "pd.DataFrame") -> str:
    """Twelve hexadecimal digits that stand for the ids and references of validation documents, in any order."""
    references = sorted((row.id, list(row.summaries)) for row in examples.itertuples(index=False))
    return sha256(json.dumps(references).encode()).hexdigest()[:12]
