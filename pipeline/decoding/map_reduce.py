"""Documents that do not fit, read whole: their parts are summarized, and then the join of the parts' summaries.

Also known as hierarchical or recursive summarization (Wu et al. 2021, "Recursively Summarizing Books with Human
Feedback"). Each part that is summarized fits into a prompt whole. A join that does not fit is cut into parts again.
"""

from typing import TYPE_CHECKING

from pipeline.decoding.decoder import Decoder, Effort
from pipeline.decoding.shards import decode_examples
from pipeline.params.grid import Configuration

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.models.prompts import PromptBuilder


def decode_by_parts(
    decoder: Decoder, builder: "PromptBuilder", examples: "pd.DataFrame", configuration: Configuration
) -> "tuple[pd.DataFrame, Effort]":
    """The last summary of each document as `pipeline.tables.CANDIDATES`, in the order of `examples`, and the cost.

    A document that fits is decoded as it is. `tokens` and `finished` are the last summary's.

    Args:
        examples: `id` and `text`.
        configuration: gives one candidate a prompt.
    """
    import pandas as pd

    waiting = dict(zip(examples["id"], examples["text"], strict=True))
    shorter = dict.fromkeys(waiting, True)
    effort, done = Effort(), []
    while waiting:
        # parts that came to nothing shorter would go on for ever, so their join is cut as any other document
        parts = {name: builder.split_document(text) if shorter[name] else [text] for name, text in waiting.items()}
        table, own = _decode_parts(decoder, builder, parts, configuration)
        effort.add(own)
        whole = {name for name, many in parts.items() if len(many) == 1}
        done.append(table[table["id"].isin(whole)])
        joins = table.groupby("id", sort=False)["text"].agg(lambda texts: " ".join(text for text in texts if text))
        waiting = {name: joins[name] for name in waiting if name not in whole}
        shorter = {name: len(text) < sum(map(len, parts[name])) for name, text in waiting.items()}
    return pd.concat(done).set_index("id", drop=False).loc[examples["id"]].reset_index(drop=True), effort


def _decode_parts(
    decoder: Decoder, builder: "PromptBuilder", parts: dict[str, list[str]], configuration: Configuration
) -> "tuple[pd.DataFrame, Effort]":
    """Candidates of all parts in one pass, in their order; `id` is the document's."""
    import pandas as pd

    names, texts = zip(*((name, text) for name, many in parts.items() for text in many), strict=True)
    # parts have names of their own while they are decoded
    places = [str(place) for place in range(len(texts))]
    table, effort = decode_examples(decoder, builder, pd.DataFrame({"id": places, "text": texts}), [configuration])
    return table.assign(id=[names[int(place)] for place in table["id"]]), effort
