"""A run's folder: one process at a time trains in it, and who waited for the same run takes its result."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pipeline.models.folders import replace_directory
from pipeline.progress import announce
from pipeline.tables import is_locked, load_bytes, lock_folder, save_bytes

# prefix of a folder in the run's, held by a process that waits
WAITING = "waiting-"


@contextmanager
def hold_run(folder: Path, outputs: Sequence[Path]) -> Iterator[bool]:
    """Holds the folder of a run's checkpoints; waits as long as another process trains the same run.

    When the block ends well the folder is removed; but if others wait for it, what the run gave is left in it for them.
    When it does not, the checkpoints stay, and the next run goes on from there.

    Args:
        folder: named by all that shapes the run.
        outputs: the files and folders that the run writes.

    Yields:
        Whether the run that was waited for ended, so that `outputs` are there already.
    """
    # deeper by one, for `replace_directory` takes the lock of the folder around
    result, queue = folder / "result" / "outputs", ExitStack()
    waited = False

    def wait() -> None:
        nonlocal waited
        waited = True
        announce(f"another process trains the same run in {folder}; waits until it ends, and takes its result")
        # the other one may be removing the folder at this moment
        with suppress(FileNotFoundError):
            queue.enter_context(lock_folder(Path(tempfile.mkdtemp(dir=folder, prefix=WAITING))))

    with queue, lock_folder(folder, wait):
        queue.close()
        # left for a process that was killed while it waited, it may be of other code than this
        taken = waited and result.is_dir()
        if taken:
            for number, path in enumerate(outputs):
                _take(result / str(number), path)
        yield taken
        if any(map(is_locked, folder.glob(f"{WAITING}*"))):
            with replace_directory(result) as kept:
                for number, path in enumerate(outputs):
                    (shutil.copytree if path.is_dir() else shutil.copy)(path, kept / str(number))
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _take(kept: Path, output: Path) -> None:
    """Writes what a run left as if this one had made it."""
    if kept.is_file():
        save_bytes(load_bytes(kept), output)
        return
    with replace_directory(output) as temporary:
        shutil.copytree(kept, temporary, dirs_exist_ok=True)
