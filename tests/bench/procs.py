"""What a tree of processes costs: CPU time, peak memory by role, flushes."""
import collections
import os
import re
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def children_of_all():
    children = collections.defaultdict(list)
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        children[int(fields[1])].append(int(name))
    return children


def tree(roots):
    """The processes and all their descendants."""
    children = children_of_all()
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children[pid]
    return found


def cpu_seconds(roots):
    """Of the living, with what those they have waited for had used."""
    ticks = 0
    for pid in tree(roots):
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS


def written_bytes(roots):
    """What the living have written to the disk."""
    written = 0
    for pid in tree(roots):
        try:
            with open(f"/proc/{pid}/io") as file:
                written += int(re.search(r"^write_bytes: (\d+)", file.read(), re.MULTILINE).group(1))
        except OSError:
            continue
    return written


def role_of(pid):
    with open(f"/proc/{pid}/comm") as file:
        comm = file.read().strip()
    with open(f"/proc/{pid}/cmdline") as file:
        words = file.read().replace("\0", " ").split()
    if comm.startswith("postern") and len(words) > 1:
        roles = [w for w in words if re.fullmatch(r"(parent|smtpd|accounts|queue|relay|control)\W?.*", w)]
        return roles[0].rstrip(":") if roles else comm
    return comm


def peak_mib(roots):
    """Peak resident memory since forget_peaks(): role -> MiB of its largest process."""
    peaks = {}
    for pid in tree(roots):
        try:
            role = role_of(pid)
            with open(f"/proc/{pid}/status") as file:
                match = re.search(r"VmHWM:\s+(\d+) kB", file.read())
        except OSError:
            continue
        if match:
            peaks[role] = max(peaks.get(role, 0), int(match.group(1)) / 1024)
    return peaks


def memory_kib(roots):
    """What is in memory because of these processes (shared pages divided): role -> KiB of all."""
    memory = collections.defaultdict(int)
    for pid in tree(roots):
        try:
            role = role_of(pid)
            with open(f"/proc/{pid}/smaps_rollup") as file:
                memory[role] += int(re.search(r"^Pss:\s+(\d+) kB", file.read(), re.MULTILINE).group(1))
        except OSError:
            continue
    return memory


def descriptors(roots):
    count = 0
    for pid in tree(roots):
        try:
            count += len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            continue
    return count


def forget_peaks(roots):
    for pid in tree(roots):
        try:
            with open(f"/proc/{pid}/clear_refs", "w") as file:
                file.write("5")
        except OSError:
            pass


class FlushCounter:
    """Counts fsync, fdatasync and sync_file_range with strace while it is open."""

    def __init__(self, roots):
        words = ["strace", "-f", "-qq", "-c", "-e", "trace=fsync,fdatasync,sync_file_range", "-o", "/dev/stderr"]
        for pid in tree(roots):
            words += ["-p", str(pid)]
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        time.sleep(1)

    def close(self):
        self.process.send_signal(2)
        text = self.process.communicate(timeout=30)[1]
        return sum(int(m.group(1)) for m in re.finditer(
            r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(?:fsync|fdatasync|sync_file_range)$",
            text, re.MULTILINE))
