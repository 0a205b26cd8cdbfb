"""What this process may still take of main memory: the machine's, its container's, and what `ulimit -v` leaves it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# files of a control group: the limit, what is used, and what of that is a cache of files that the system can drop
_SECOND = ("memory.max", "memory.current", "inactive_file")
_FIRST = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def get_free_main_memory() -> int:
    """Bytes; whichever bound is the nearest. Past a container's the system kills, past `ulimit -v` it refuses."""
    import psutil

    return max(0, min(psutil.virtual_memory().available, *_list_rooms()))


def _list_rooms() -> list[int]:
    rooms = [room for folder, names in _list_groups() if (room := _read_room(folder, names)) is not None]
    with suppress(ImportError, AttributeError):
        # a system without limits
        import resource

        import psutil

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            rooms.append(limit - psutil.Process().memory_info().vms)
    # never the least, and `min` wants one
    return [*rooms, 2**63]


def _list_groups() -> Iterator[tuple[Path, tuple[str, str, str]]]:
    """The control groups around this process, which all bind it, and how their files are named."""
    try:
        lines = OWN.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = CGROUPS / "memory" if controllers else CGROUPS
        folder = root / path.lstrip("/")
        # in a container the path may be the one outside; what binds is then at the root
        for group in (folder, *folder.parents):
            yield group, _FIRST if controllers else _SECOND
            if group == root:
                break


def _read_room(folder: Path, names: tuple[str, str, str]) -> int | None:
    limit, used, droppable = names
    try:
        most = (folder / limit).read_text().strip()
        taken = int((folder / used).read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return None
    cached = next((int(line.split()[1]) for line in lines if line.startswith(f"{droppable} ")), 0)
    return None if most == "max" else int(most) - taken + cached
