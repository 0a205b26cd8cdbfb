"""Successive halving against the whole grid: what it spends, and what it misses. By hand:

    python benchmarks/halving.py FOLDER --budget 0.2

FOLDER is one in which the graph has run. A grid of 72 configurations (greedy-type, 4 beams, samples) is decoded for all
of its validation documents by the model trained there, and searched by halving with several seeds, nothing remembered
between them. A row-step is one sequence taking one step. Prints a JSON line a seed: the share of the whole grid's
row-steps that halving spent (wanted by its searches, and computed, for equal rows are computed once), and how far what
it found is below the whole grid's best on all validation documents, with the paired bootstrap's 95 % interval.
"""

import argparse
import itertools
import json
import os
import time
from dataclasses import replace
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from pipeline.cli.loading import ADAPTER, PROCESSED, build_decoder, load_tuned_and_prompts
from pipeline.params.grid import build_configurations
from pipeline.params.reading import parse_params
from pipeline.scoring.bootstrap import compute_intervals
from pipeline.scoring.rouge.pairs import compute_weighted_rouge
from pipeline.stages.decode import decode, decode_by_halving
from pipeline.tables import LABELLED, load_table

GRID = {
    "greedy": {
        **{"no_repeat_ngram_size": [0, 2, 3], "repetition_penalty": [1.0, 1.1, 1.2, 1.3]},
        **{"min_new_tokens": [0, 8]},
    },
    "beam": {
        **{"num_beams": [2, 4], "no_repeat_ngram_size": [0, 3], "length_penalty": [0.0, 0.5, 1.0, 1.5]},
        **{"early_stopping": [True, False]},
    },
    "nucleus": {"do_sample": True, "top_p": [0.5, 0.8, 0.9, 1.0], "temperature": [0.4, 0.7, 1.0, 1.3]},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder in which the graph has run")
    parser.add_argument("--budget", type=float, action="append", help="may be repeated")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    os.chdir(arguments.folder)
    params = parse_params(Path("params.yaml").read_text())
    base, builder = load_tuned_and_prompts(params)
    decoder = replace(build_decoder(params, base, ADAPTER, None, "shared"), fingerprint=None)
    valid = load_table(PROCESSED / "valid.parquet", LABELLED)
    configurations = build_configurations(GRID, params.decode.max_new_tokens)
    halving = params.decode.halving
    started = time.perf_counter()
    table, whole = decode(decoder, builder, valid, configurations)
    seconds = time.perf_counter() - started
    first = table[table["candidate"] == 0]
    references = valid.set_index("id")["summaries"].loc[first["id"]].tolist()
    values = compute_weighted_rouge(list(first["text"]), references, halving.tokenizer, halving.weights)
    scores = first.assign(score=values.to_numpy()).pivot(index="configuration", columns="id", values="score")
    best = scores.mean(axis=1).idxmax()
    budgets = arguments.budget or [halving.budget]
    for budget, seed in itertools.product(budgets, range(arguments.seeds)):
        halving = halving.model_copy(update={"budget": budget})
        started = time.perf_counter()
        _, effort, rounds = decode_by_halving(decoder, builder, valid, configurations, halving, seed)
        found = next(iter(rounds[-1]["scores"]))
        low, high = compute_intervals((scores.loc[[found]] - scores.loc[best]).to_numpy(), 2000, 0.95, 0)
        line = {
            "case": f"{arguments.folder.name}, seed {seed}",
            "configurations": len(configurations),
            "documents": len(valid),
            "budget": budget,
            "ours_s": round(time.perf_counter() - started, 1),
            "rival_s": round(seconds, 1),
            "row_steps": round(effort.wanted_rows / whole.wanted_rows, 3),
            "computed_row_steps": round(effort.rows / whole.rows, 3),
            "rounds": [[one["documents"], len(one["scores"])] for one in rounds],
            "found": found,
            "best": best,
            "best_score": round(float(scores.loc[best].mean()), 4),
            "below_best": round(float((scores.loc[best] - scores.loc[found]).mean()), 4),
            "interval": [round(-float(high[0]), 4), round(-float(low[0]), 4)],
        }
        print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
