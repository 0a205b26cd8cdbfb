"""rank: candidates and validation documents in; how likely the tuned model and the base find each candidate out.

What is learnt of that, beside what candidates say themselves, is learnt where they are scored
(`pipeline.scoring.ranking`).
"""

from typing import TYPE_CHECKING

from pipeline.decoding.decoder import Source
from pipeline.decoding.rescoring import rescore
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
        InputError: if a model cannot be loaded.
    """
    own = candidates[~candidates["configuration"].isin(RESERVED)]
    texts = own.groupby(["id", "text"], sort=False)["finished"].any().reset_index()
    by_id = documents.set_index("id")["text"]
    table = texts.assign(**rescore(*source.load_tuned(), list(by_id.loc[texts["id"]]), texts))
    # the base alone, when the tuned model is gone; without the document it tells what any document would be given
    alone = rescore(source.load_base(), source.build_base_prompts(0), None, texts)
    return table.assign(base_nats=alone["nats"])[list(LIKELIHOODS)]
