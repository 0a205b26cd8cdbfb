"""rank: candidates and validation documents in; how likely the tuned model and the base find each candidate out.

What is learnt of that, beside what candidates say themselves, is learnt where they are scored
(`pipeline.scoring.ranking`).
"""

from typing import TYPE_CHECKING

import numpy as np

from pipeline.decoding.decoder import Source
from pipeline.decoding.rescoring import rescore
from pipeline.errors import InputError, and_more
from pipeline.params.grid import RESERVED
from pipeline.tables import LIKELIHOODS

if TYPE_CHECKING:
    import pandas as pd


def compute_likelihoods(candidates: "pd.DataFrame", documents: "pd.DataFrame", source: Source) -> "pd.DataFrame":
    """`pipeline.tables.LIKELIHOODS` of the grid's candidates, each distinct text of a document once.

    Args:
        candidates: `pipeline.tables.CANDIDATES`.
        documents: `id` and `text`.

    Raises:
        InputError: if a model cannot be loaded, or finds a text likely by what is no number.
    """
    own = candidates[~candidates["configuration"].isin(RESERVED)]
    texts = own.groupby(["id", "text"], sort=False)["finished"].any().reset_index()
    by_id = documents.set_index("id")["text"]
    table = texts.assign(**rescore(*source.load_tuned(), list(by_id.loc[texts["id"]]), texts))
    # the base alone, when the tuned model is gone; without the document it tells what any document would be given
    alone = rescore(source.load_base(), source.build_base_prompts(0), None, texts)
    table = table.assign(base_nats=alone["nats"])[list(LIKELIHOODS)]
    if len(broken := table[~np.isfinite(table[["nats", "base_nats"]]).all(axis=1)]):
        raise InputError(
            f"rank: how likely a summary of document {broken['id'].iloc[0]!r} is comes out as no number"
            f"{and_more(len(broken) - 1)}; choose another model.precision, bf16 or fp32, or set rank.method: none"
        )
    return table
