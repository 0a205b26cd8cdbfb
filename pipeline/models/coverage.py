"""Where a summary's words stand in its document, what cutting loses of them, and which part is best kept.

Words are compared by pairs of characters (`pipeline.competition.text.terms`): particles and endings change the words of
Korean, and pairs need no dictionary. Of a summary's distinct pairs, the share that stands in a text is its recall: with
every pair counted once, ROUGE-1's. On court, morphemes of mecab rank the four ways alike (LOG.md).
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.competition.text.terms import list_terms
from pipeline.models.prompts import PromptBuilder
from pipeline.models.truncation import SALIENT, TRUNCATIONS, Idf, Truncation, fit_idf

if TYPE_CHECKING:
    import pandas as pd

AUTO = "auto"
# documents that are drawn to be looked at, and of them the most that the ways of cutting are compared on
DRAWN, COMPARED = 2_000, 300
# of a normal distribution, for a two-sided interval of 95 %
_DEVIATIONS = 1.96
_THIRDS = ("first", "middle", "last")


@dataclass(frozen=True)
class Choice:
    """Which part of a too long document is kept, and why.

    Args:
        truncation: what was decided.
        asked: `preprocess.truncation`.
        documents: training documents that are cut, of those that were drawn.
        recalls: by name, the mean share of the summaries' words that is kept; empty if nothing is cut.
    """

    truncation: Truncation
    asked: str
    documents: int
    recalls: dict[str, float]

    def describe(self) -> dict[str, Any]:
        """For details/preprocess.json: all but the terms that `salient` knows."""
        return {**vars(self), "truncation": self.truncation.name}


def choose_truncation(asked: str, builder: PromptBuilder, train: "pd.DataFrame", seed: int) -> Choice:
    """What `preprocess.truncation` asks for; for `auto` what keeps most of the summaries' words.

    Compared on training documents that do not fit, as decoding would cut them. Of ways that noise does not tell from
    the best, the simplest is taken.

    Args:
        builder: the prompts of the model to be used.
        train: `text` and `summaries` of training examples, never of others.
        seed: draws the documents.
    """
    drawn = draw_examples(train, DRAWN, seed)
    texts = list(drawn["text"])
    cut = _find_cut(builder, texts)
    idf = fit_idf(texts) if cut or asked == SALIENT else None
    recalls: dict[str, list[float]] = {}
    if cut and idf:
        long, summaries = [texts[n] for n in cut], [drawn["summaries"].iloc[n] for n in cut]
        ways = [_build_truncation(name, idf) for name in TRUNCATIONS]
        recalls = {way.name: compute_recalls(_read_kept(builder.keep(way), long), summaries) for way in ways}
    name = select_truncation(recalls) if asked == AUTO else asked
    means = {name: round(_mean(values), 4) for name, values in recalls.items()}
    return Choice(_build_truncation(name, idf), asked, len(cut), means)


def _build_truncation(name: str, idf: Idf | None) -> Truncation:
    return Truncation(name, idf if name == SALIENT else None)


def _find_cut(builder: PromptBuilder, texts: Sequence[str]) -> list[int]:
    """Places of documents that do not fit, the first `COMPARED` of them; no more are tokenized than it takes."""
    cut: list[int] = []
    for start in range(0, len(texts), COMPARED):
        prompts = builder.build_prompts(texts[start : start + COMPARED])
        cut += [start + n for n, prompt in enumerate(prompts) if prompt.kept_tokens < prompt.document_tokens]
        if len(cut) >= COMPARED:
            break
    return cut[:COMPARED]


def _read_kept(builder: PromptBuilder, texts: Sequence[str]) -> list[str]:
    return builder.read_documents(builder.build_prompts(texts))


def select_truncation(recalls: dict[str, list[float]]) -> str:
    """The simplest way that is not worse than the best beyond noise; `head` if there is nothing to compare.

    Args:
        recalls: by name in the order of `TRUNCATIONS`, a figure a document, all of the same documents.
    """
    best = max(recalls, key=lambda name: _mean(recalls[name]), default=TRUNCATIONS[0])
    rivals = (name for name, values in recalls.items() if not _is_worse(values, recalls[best]))
    return next(rivals, best)


def _is_worse(values: Sequence[float], others: Sequence[float]) -> bool:
    """Whether the interval of the mean paired difference lies below 0; of one document there is none."""
    differences = [value - other for value, other in zip(values, others, strict=True)]
    if len(differences) < 2:
        return False
    mean = _mean(differences)
    variance = sum((difference - mean) ** 2 for difference in differences) / (len(differences) - 1)
    return mean + _DEVIATIONS * math.sqrt(variance / len(differences)) < 0


def describe_coverage(examples: "pd.DataFrame", builder: PromptBuilder, seed: int) -> dict[str, Any]:
    """Where the summaries' words stand, and what cutting loses: mean recall by the thirds of the document, by all of
    it, and of the documents that are cut by the whole and by what is kept. A word may stand in several thirds.

    Args:
        examples: `text` and `summaries`; so many of them are drawn by seed as `COMPARED`.
    """
    drawn = draw_examples(examples, COMPARED, seed)
    texts, summaries = list(drawn["text"]), list(drawn["summaries"])
    prompts = builder.build_prompts(texts)
    cut = [n for n, prompt in enumerate(prompts) if prompt.kept_tokens < prompt.document_tokens]
    kept = builder.read_documents([prompts[n] for n in cut])
    of_cut = [summaries[n] for n in cut]
    thirds = {name: [_take_third(text, n) for text in texts] for n, name in enumerate(_THIRDS)}
    before = compute_recalls([texts[n] for n in cut], of_cut)
    return {
        "documents": len(texts),
        **{name: _round(compute_recalls(parts, summaries)) for name, parts in thirds.items()},
        "whole": _round(compute_recalls(texts, summaries)),
        "cut": {"documents": len(cut), "whole": _round(before), "kept": _round(compute_recalls(kept, of_cut))},
    }


def _take_third(text: str, number: int) -> str:
    return text[len(text) * number // 3 : len(text) * (number + 1) // 3]


def _round(values: Sequence[float]) -> float | None:
    return round(_mean(values), 4) if values else None


def compute_recalls(texts: Sequence[str], summaries: Sequence[Sequence[str]]) -> list[float]:
    """For each text the share of its summary's distinct terms that stand in it; of several summaries, the mean."""
    recalls = []
    for text, many in zip(texts, summaries, strict=True):
        terms = set(list_terms(text))
        wanted = [set(list_terms(summary)) for summary in many]
        recalls.append(_mean([len(one & terms) / max(len(one), 1) for one in wanted]))
    return recalls


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def draw_examples(examples: "pd.DataFrame", most: int, seed: int) -> "pd.DataFrame":
    """At most so many of the examples, in an order drawn by seed: files are sorted by topic, by length, by date."""
    import pandas as pd

    places = random.Random(seed).sample(range(len(examples)), min(len(examples), most))
    # slices, for taking rows out of order would first put all of Arrow's text into one piece
    return pd.concat([examples.iloc[place : place + 1] for place in places]) if places else examples.iloc[:0]


def describe_choice(choice: Mapping[str, Any]) -> str | None:
    """One line that says what is kept of too long documents and why; None if it was asked for and nothing is cut.

    Args:
        choice: as `Choice.describe` gives it.
    """
    name, recalls = choice["truncation"], choice["recalls"]
    if not recalls:
        return f"truncation: {name} (no training document is cut)" if choice["asked"] == AUTO else None
    others = ", ".join(f"{other} {share:.0%}" for other, share in recalls.items() if other != name)
    asked = "" if choice["asked"] == AUTO else ", as asked"
    return (
        f"truncation: {name}{asked} (keeps {recalls[name]:.0%} of the summaries' words in {choice['documents']} "
        f"training documents that are cut; {others})"
    )


def describe_positions(split: str, coverage: Mapping[str, Any]) -> str | None:
    """One line on where the words of a split's summaries stand; None if no document of it is cut.

    Args:
        coverage: as `describe_coverage` gives it.
    """
    cut = coverage["cut"]
    if not cut["documents"]:
        return None
    thirds = ", ".join(f"{coverage[name]:.0%} in the {name}" for name in _THIRDS)
    return (
        f"{split}: of the summaries' words stand {thirds} third of the document; where documents are cut, "
        f"{cut['whole']:.0%} stand in the whole and {cut['kept']:.0%} in what is kept"
    )
