"""Summaries that need no model: what every configuration has to beat."""

from pipeline.competition.text.sentences import split_sentences


def build_baseline(name: str, text: str) -> str:
    """The summary that a baseline gives to a document: `lead-N` its first N sentences, `tail-N` its last N."""
    side, count = name.split("-")
    sentences = split_sentences(text)
    return " ".join(sentences[: int(count)] if side == "lead" else sentences[-int(count) :])
