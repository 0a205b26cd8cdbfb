"""The distinct candidates of each document, and what tells good ones from bad ones without a reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.params.grid import Configuration
from pipeline.scoring.consensus import compute_utilities
from pipeline.scoring.repetition import compute_copied, compute_repetition
from pipeline.scoring.rouge.comparison import Rouge
from pipeline.scoring.rouge.pairs import compare_pairs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# what a candidate is described by, and how a weight of each is said
FEATURES = {
    "likelihood": "likelier under the tuned model",
    "likelihood_per_token": "likelier a token under the tuned model",
    "information": "likelier because of the document (against the base without it)",
    "information_per_token": "likelier a token because of the document",
    "length": "longer than the document's other candidates",
    "near_beams": "nearer to what greedy search and beams wrote",
    "near_samples": "nearer to the samples",
    "repetition": "repeating itself more (rep-2)",
    "copied": "copying more of the document",
    "coverage": "covering more of the document's words",
    "finished": "coming to its end",
    "configuration": "from a configuration that scores better",
}


@dataclass(frozen=True)
class Candidates:
    """What was decoded for some documents, equal texts of a document once.

    Args:
        table: a row a document and distinct text, documents in order, then the order in which they were decoded:
            `id`, `text`, `finished`, `beams` and `samples` (how many times it was written by search and by sampling).
        writers: a row a candidate: `place` (of its text in `table`), and `writer`, its configuration and rank.
    """

    table: "pd.DataFrame"
    writers: "pd.DataFrame"


def collect_candidates(
    candidates: "pd.DataFrame", ids: Sequence[str], configurations: Sequence[Configuration]
) -> Candidates:
    """The candidates of the configurations.

    Args:
        candidates: `pipeline.tables.CANDIDATES`.
        ids: of the documents, in order.
    """
    order = {name: place for place, name in enumerate(ids)}
    names = {configuration.name: place for place, configuration in enumerate(configurations)}
    drawn = {c.name for c in configurations if c.settings.get("do_sample")}
    kept = candidates[candidates["configuration"].isin(names)]
    keys = {"document": kept["id"].map(order), "configuration_place": kept["configuration"].map(names)}
    kept = kept.assign(**keys).sort_values([*keys, "candidate"], ignore_index=True)
    kept["is_sample"] = kept["configuration"].isin(drawn)
    groups = kept.groupby(["document", "text"], sort=False)
    place = groups.ngroup()
    table = groups.agg(
        id=("id", "first"), finished=("finished", "any"), samples=("is_sample", "sum"), writers=("is_sample", "size")
    ).reset_index()
    table["beams"] = table["writers"] - table["samples"]
    writers = kept["configuration"] + "#" + kept["candidate"].astype(str)
    columns = ["id", "text", "finished", "beams", "samples"]
    return Candidates(table[columns], kept.assign(place=place, writer=writers)[["place", "writer"]])


def compute_features(
    candidates: Candidates,
    likelihoods: "pd.DataFrame | None",
    documents: Mapping[str, str],
    rouge: Rouge,
    metric_weights: Mapping[str, float],
) -> "pd.DataFrame":
    """All of `FEATURES` but `configuration`, which depends on scores; as they are, not yet compared within a document.

    Args:
        likelihoods: `pipeline.tables.LIKELIHOODS` of at least these texts; None where no one model has read them all,
            so that what likelihood says is left out.
        documents: their texts by id.
        rouge: on the board's tokenizer.
        metric_weights: of the metrics that select.
    """
    import pandas as pd

    table = candidates.table
    rouge.add([*documents.values(), *table["text"]])
    profiles = [rouge.build_profile(text) for text in table["text"]]
    sources = [rouge.build_profile(documents[name]) for name in table["id"]]
    near = _compute_nearness(table, rouge, metric_weights)
    features = {
        **({} if likelihoods is None else _compare_likelihoods(table, likelihoods)),
        "length": [float(len(profile.tokens)) for profile in profiles],
        "near_beams": near[:, 0],
        "near_samples": near[:, 1],
        "repetition": [compute_repetition(profile.tokens, 2) for profile in profiles],
        "copied": [compute_copied(*pair) for pair in zip(profiles, sources, strict=True)],
        "coverage": compare_pairs(list(zip(profiles, sources, strict=True)), ["rouge1"])["rouge1"][:, 1],
        "finished": table["finished"].astype(float).to_numpy(),
    }
    return pd.DataFrame(features)


def _compare_likelihoods(table: "pd.DataFrame", likelihoods: "pd.DataFrame") -> "dict[str, np.ndarray]":
    known = table[["id", "text"]].merge(likelihoods, on=["id", "text"], how="left", validate="1:1")
    tokens = known["tokens"].clip(lower=1).to_numpy()
    likelihood, alone = -known["nats"].to_numpy(), -known["base_nats"].to_numpy()
    return {
        "likelihood": likelihood,
        "likelihood_per_token": likelihood / tokens,
        "information": likelihood - alone,
        "information_per_token": (likelihood - alone) / tokens,
    }


def _compute_nearness(table: "pd.DataFrame", rouge: Rouge, metric_weights: Mapping[str, float]) -> "np.ndarray":
    """(texts, 2): mean utility of each text to what beams, and what samples wrote for its document, itself apart."""
    import numpy as np

    near = np.zeros((len(table), 2))
    for places in table.groupby("id", sort=False).indices.values():
        utilities = compute_utilities(table["text"].iloc[places].tolist(), rouge, metric_weights)
        for side, kind in enumerate(("beams", "samples")):
            counts = table[kind].to_numpy()[places].astype(float)
            own = np.minimum(counts, 1)
            others = counts.sum() - own
            total = utilities @ counts - own * np.diag(utilities)
            near[places, side] = np.divide(total, others, out=np.zeros(len(places)), where=others > 0)
    return near


def compute_writer_scores(candidates: Candidates, means: Mapping[str, float]) -> "np.ndarray":
    """(texts,): of the configurations (and ranks) that wrote each text, the best mean score.

    Args:
        means: by writer; one without a mean counts as the worst there is.
    """
    scores = candidates.writers["writer"].map(dict(means)).astype(float)
    scores = scores.fillna(min(means.values(), default=0.0))
    return scores.groupby(candidates.writers["place"]).max().sort_index().to_numpy()


def compare_within_documents(features: "pd.DataFrame", ids: "pd.Series") -> "np.ndarray":
    """(texts, features): z-scores among the candidates of a document; 0 where all are alike."""
    import numpy as np

    groups = features.groupby(ids.to_numpy(), sort=False)
    apart = (features - groups.transform("mean")).to_numpy()
    spread = groups.transform(lambda column: column.std(ddof=0)).to_numpy()
    return np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 1e-9)
