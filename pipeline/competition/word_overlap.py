"""How much of validation and test stands in what a model has read: 8-grams of words, as GPT-2's authors counted it.

Radford et al. 2019, section 4, put the training text into Bloom filters. Here the n-grams that are asked for are
indexed, and the text that may be of any size passes by once. So shares are exact up to 2^24 n-grams of validation and
test (above, of a sample: `pipeline.competition.ngrams`), memory depends on these alone, and time is linear in all text.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.competition.arrow import count_items
from pipeline.competition.ngrams import WORD_NGRAM, WORDS, NgramIndex, hash_ngrams, list_places, split_words
from pipeline.progress import track

if TYPE_CHECKING:
    import pandas as pd

# a row overlaps when so much of its document or of a summary is known: where PaLM's authors (Chowdhery et al. 2022,
# section 8) divide clean from contaminated examples, by 8-grams too. Documents made of set phrases stay below (LOG.md)
OVERLAPPING = 0.7
# pairs that are listed
_WORST = 10


@dataclass(frozen=True)
class WorstText:
    """A text much of which is known.

    Attributes:
        number: of the text.
        share: of its distinct 8-grams that stand in any other text.
        source: number of the other text that has most of them, each counted for the first that has it.
        first: its first 8-gram that stands in another text.
    """

    number: int
    share: float
    source: int
    first: str


@dataclass(frozen=True)
class KnownWords:
    """How much of some texts stands in others.

    Attributes:
        counts: (texts,) distinct 8-grams of each; 0 for a text of fewer than eight words.
        shares: (texts,) share of them that stands in any other text; 0 where there are none.
        worst: those of the highest shares, if they share anything.
    """

    counts: np.ndarray
    shares: np.ndarray
    worst: list[WorstText]


def compute_word_overlap(splits: "dict[str, pd.DataFrame]", pretraining: Sequence[str]) -> dict[str, Any]:
    """How much of validation and test stands in what a model learns from, by 8-grams of words.

    Args:
        splits: `train`, `valid` (`id`, `text`, `summaries`) and `test` (`id`, `text`) frames.
        pretraining: what its base has read besides train, as far as that is known. A base that is adapted to
            validation's and test's own documents has all of them and is meant to: they do not belong here.

    Returns:
        For `train` (documents and summaries) and `pretraining` (None for no texts): of validation's documents and
        summaries and of test's documents the share that is known, and the worst pairs. `overlapping`: the validation
        rows, by id with the highest share of their texts, of which at least `bound` is known from either.
    """
    import pandas as pd

    train, valid, test = (splits[name] for name in ("train", "valid", "test"))
    ids, summaries = valid["id"].repeat(count_items(valid["summaries"])), chain.from_iterable(valid["summaries"])
    texts = {"valid": list(valid["text"]), "valid_summaries": list(summaries), "test": list(test["text"])}
    names = {"valid": list(valid["id"]), "valid_summaries": list(ids), "test": list(test["id"])}
    learnt = chain(train["text"], chain.from_iterable(train["summaries"]))
    read = compute_known_words(texts, learnt, "word overlap with train")
    sources = pd.concat([train["id"], train["id"].repeat(count_items(train["summaries"]))]).array
    groups = ("valid", "valid_summaries")
    found = [(read[name], names[name]) for name in groups]
    details: dict[str, Any] = {"train": _describe_known(read, names, sources), "pretraining": None}
    if len(pretraining):
        read = compute_known_words(texts, pretraining, "word overlap with pretraining")
        found += [(read[name], names[name]) for name in groups]
        details["pretraining"] = _describe_known(read, names, None)
    return {**details, "bound": OVERLAPPING, "overlapping": find_overlapping(found)}


def _describe_known(
    known: dict[str, KnownWords], ids: dict[str, list[str]], sources: list[str] | None
) -> dict[str, Any]:
    return {name: describe_known_words(words, ids[name], sources) for name, words in known.items()}


def compute_known_words(
    texts: Mapping[str, Sequence[str]], others: Iterable[str], progress: str
) -> dict[str, KnownWords]:
    """How much of texts stands in others, by the name of their group.

    Args:
        others: what was trained on, documents and summaries, or what a model was pretrained on; read once.
    """
    index = NgramIndex(list(chain.from_iterable(texts.values())), f"{progress}: indexing", WORDS)
    sources = _find_sources(index, others, f"{progress}: comparing")
    total = sum(map(len, texts.values()))
    owners = index.get_texts(slice(None))
    counts, known = np.bincount(owners, minlength=total), np.bincount(owners[sources >= 0], minlength=total)
    shares = known / np.maximum(counts, 1)
    found, end = {}, 0
    for name, own in texts.items():
        start, end = end, end + len(own)
        worst = [n for n in np.argsort(-shares[start:end], kind="stable")[:_WORST].tolist() if shares[start + n]]
        listed = []
        for number in worst:
            source = np.bincount(sources[(owners == start + number) & (sources >= 0)]).argmax()
            first = _find_first(own[number], index, sources)
            listed.append(WorstText(number, float(shares[start + number]), int(source), first))
        found[name] = KnownWords(counts[start:end], shares[start:end], listed)
    return found


def _find_sources(index: NgramIndex, others: Iterable[str], progress: str) -> np.ndarray:
    """(entries,): for each entry the number of the first of the others that has its n-gram, -1 if none has."""
    sources = np.full(len(index), -1, np.int32)
    for number, grams in enumerate(track(hash_ngrams(others, index.skipped, WORDS), progress)):
        starts, ends = index.find(grams)
        found = ends > starts
        starts, ends = starts[found], ends[found]
        # entries of one n-gram are marked together, and once: a set phrase costs no more than any other
        is_new = sources[starts] < 0
        sources[list_places(starts[is_new], ends[is_new])] = number
    return sources


def _find_first(text: str, index: NgramIndex, sources: np.ndarray) -> str:
    words = split_words(text)
    windows = [" ".join(words[i : i + WORD_NGRAM]) for i in range(len(words) - WORD_NGRAM + 1)]
    starts, ends = index.find(np.concatenate(list(hash_ngrams(windows, unit=WORDS))))
    return next(w for w, start, end in zip(windows, starts, ends, strict=True) if end > start and sources[start] >= 0)


def describe_known_words(known: KnownWords, ids: Sequence[str], source_ids: Sequence[str] | None) -> dict[str, Any]:
    """Of details/preprocess.json: texts that have 8-grams, the share of all of these that is known, the worst pairs.

    Args:
        source_ids: of the texts compared with; None where they have none.
    """
    total = known.counts.sum()
    worst = [
        {
            "id": ids[text.number],
            **({} if source_ids is None else {"copy_of": source_ids[text.source]}),
            "share": round(text.share, 4),
            "first": text.first,
        }
        for text in known.worst
    ]
    share = float((known.shares * known.counts).sum() / max(total, 1))
    return {"texts": int((known.counts > 0).sum()), "ngram_share": round(share, 4), "worst": worst}


def find_overlapping(groups: Sequence[tuple[KnownWords, Sequence[str]]]) -> dict[str, float]:
    """Rows by id, one of whose texts is known to `OVERLAPPING` or more, with the highest of the shares.

    Args:
        groups: of texts, each with the ids of the rows that they belong to.
    """
    shares: dict[str, float] = {}
    for words, owners in groups:
        for place in np.flatnonzero(words.shares >= OVERLAPPING).tolist():
            shares[owners[place]] = max(shares.get(owners[place], 0.0), round(float(words.shares[place]), 4))
    return shares
