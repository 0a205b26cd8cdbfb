"""Where a project keeps its files, from its root."""

from pathlib import Path

PARAMS = Path("params.yaml")
DVC_YAML, DVC_LOCK = Path("dvc.yaml"), Path("dvc.lock")
# who reads and writes what, as a running DVC notes it
RWLOCK = Path(".dvc/tmp/rwlock")
# what DVC could not read any more
TORN = Path(".yoyak/torn")
PRESETS = Path("presets")
SAMPLE = Path("data/sample")
EXTERNAL = Path("data/external")
PROCESSED = Path("data/processed")
# what is kept of documents that do not fit, as preprocess decided
TRUNCATION = PROCESSED / "truncation.json"
BASE, ADAPTER = Path("models/base"), Path("models/adapter")
EXPLORED_PREDICTIONS = Path("predictions/explored.parquet")
VALID_PREDICTIONS, TEST_PREDICTIONS = Path("predictions/valid.parquet"), Path("predictions/test.parquet")
# all that the summaries of the test set were chosen from
TEST_CANDIDATES = Path("predictions/test_candidates.parquet")
LIKELIHOODS_FILE = Path("predictions/likelihoods.parquet")
VALID_SCORES = Path("predictions/scores.parquet")
SELECTION = Path("predictions/selection.json")
# the few figures of a table of experiments, and all that a stage has to tell
METRICS, DETAILS = Path("metrics"), Path("details")
PLOTS = Path("plots")
# all that a run of pretrain, train or refine leaves
PRETRAINED = (BASE, DETAILS / "pretrain.json", METRICS / "pretrain.json")
TRAINED = (ADAPTER, DETAILS / "train.json", METRICS / "train.json", PLOTS / "train.csv")
REFINED = (Path("models/refined"), DETAILS / "refine.json", METRICS / "refine.json", PLOTS / "refine.csv")
LEADERBOARD = METRICS / "leaderboard.csv"
SUBMISSIONS = Path("submissions")
# for people to look at, and the grid's axes for DVC's plots
REPORT, AXES = Path("reports/report.html"), PLOTS / "axes.csv"
# of all experiments, which no stage knows
EXPERIMENTS = Path("reports/experiments.html")
# in a folder of its own, which git ignores: no checkout, stash or experiment takes the board's answers back
LEDGER = Path("ledger/submissions.csv")
# where earlier versions kept it, and git tracked it
TRACKED_LEDGER = SUBMISSIONS / "ledger.csv"
# folders that the stages write
WRITTEN = (PROCESSED, BASE.parent, VALID_SCORES.parent, METRICS, DETAILS, PLOTS, SUBMISSIONS, REPORT.parent)
