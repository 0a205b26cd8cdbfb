"""How decoding time grows with the grid and with the documents, on a trained model. By hand, on an idle machine:

    python benchmarks/decode_growth.py FOLDER --plot benchmarks/decode_growth.svg

FOLDER is one in which the graph has run. Its model decodes its validation and test documents in fp32: 16 documents with
1 to 96 configurations, half greedy-type and half with 4 beams, and 16 to 256 documents with 24. Ours takes all
configurations in one pass; the rival is batched `generate`, one configuration after the other, prompts sorted by
length, each kind of configuration at the batch size that was fastest for it. Both in one process, point by point in
turns. The rival's time for a grid is the sum of its configurations' own, each timed once.

Prints a JSON line a point, and draws them if asked to (pip install -e '.[benchmarks]').
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import transformers
from decode_grid import load_trained, measure, run_ours, run_rival, tune_rival

from pipeline.params.grid import Configuration, build_configurations

FAMILIES = {
    "greedy": {"repetition_penalty": [1.0, 1.1, 1.2, 1.3], "min_new_tokens": [0, 4, 8]},
    "beam": {"num_beams": 4, "length_penalty": [0.5, 0.8, 1.0, 1.2], "early_stopping": [True, False, "never"]},
}
GRID = {name: {"no_repeat_ngram_size": [0, 2, 3, 4], **family} for name, family in FAMILIES.items()}
GRID_SIZES, DOCUMENTS = (1, 2, 4, 8, 24, 48, 96), (16, 32, 64, 128, 256)


def choose(configurations: list[Configuration], count: int) -> list[Configuration]:
    """So many, half of each kind and evenly over its axes; a single one is greedy."""
    half = len(configurations) // 2
    kinds = configurations[:half], configurations[half:]
    parts = (count - count // 2, count // 2)
    return [kind[place * half // part] for kind, part in zip(kinds, parts, strict=True) for place in range(part)]


def run_point(
    model: Any, prompts: list[list[int]], chosen: list[Configuration], known: dict[str, float], sizes: dict[str, int]
) -> dict[str, Any]:
    """Both sides at one point; `known` holds the rival's times for these prompts, by configuration."""
    ours, peak, (_, statistics) = measure(model, lambda: run_ours(model, prompts, chosen))
    for configuration in chosen:
        if configuration.name not in known:
            size = sizes[configuration.name.split("/")[0]]
            run = lambda c=configuration, size=size: run_rival(model, prompts, c, size)  # noqa: E731
            known[configuration.name] = measure(model, run)[0]
    rival = sum(known[configuration.name] for configuration in chosen)
    return {
        "case": f"{len(chosen)} configurations, {len(prompts)} documents",
        "configurations": len(chosen),
        "documents": len(prompts),
        "ours_s": round(ours, 2),
        "rival_s": round(rival, 2),
        "ratio": round(rival / ours, 2),
        "ours_peak_mb": round(peak),
        "distinct_rows": round(statistics.rows / statistics.wanted_rows, 3),
    }


def draw(lines: list[dict[str, Any]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    for axis, key, fixed in ((axes[0], "configurations", "documents"), (axes[1], "documents", "configurations")):
        points = [line for line in lines if line[fixed] == {"documents": 16, "configurations": 24}[fixed]]
        points.sort(key=lambda line: line[key])
        for side, label in (("rival_s", "generate, one by one"), ("ours_s", "one pass")):
            axis.plot([p[key] for p in points], [p[side] for p in points], marker="o", label=label)
        axis.set(xlabel=key, ylabel="seconds", xscale="log", yscale="log", title=f"{points[0][fixed]} {fixed}")
        axis.set_xticks([p[key] for p in points], [str(p[key]) for p in points], minor=False)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder in which the graph has run")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--plot", type=Path, help="where to draw the points")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    plot = arguments.plot and arguments.plot.resolve()
    model, prompts = load_trained(arguments.folder.resolve(), max(DOCUMENTS))
    grid = build_configurations(GRID, arguments.new_tokens)
    sizes = {name: tune_rival(model, prompts[:64], choose(grid, 2)[kind]) for kind, name in enumerate(GRID)}
    run_ours(model, prompts[:2], choose(grid, 2))
    lines = []
    for documents in DOCUMENTS:
        known: dict[str, float] = {}
        for count in GRID_SIZES if documents == DOCUMENTS[0] else (24,):
            lines.append(run_point(model, prompts[:documents], choose(grid, count), known, sizes))
            print(json.dumps({**lines[-1], "rival_batch_sizes": sizes}), flush=True)
    if plot:
        draw(lines, plot)


if __name__ == "__main__":
    main()
