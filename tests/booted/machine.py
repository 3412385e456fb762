"""A throw-away machine: an overlay of a root folder, with systemd as its first process in systemd-nspawn."""
import ctypes
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

# Longer than anything here takes unless it hangs.
PATIENCE = 60
# The machine shares this kernel: it may not set the clock, load modules or end the host.
FORBIDDEN = "-sys_time,-sys_boot,-sys_module"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED = ("systemd-nspawn", "nsenter", "setpriv", "mount")


class CannotBoot(Exception):
    """This machine has not what it takes, or not the right, to boot another."""


class Failed(Exception):
    """A command in the machine failed, or something did not come about."""


def until(what, look, patience=PATIENCE):
    """The first true value of `look`; fails when there is none in time."""
    end = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"waited {patience} s in vain for: {what}")
        time.sleep(0.05)


class Machine:
    """Boots on entry; is powered off and removed on exit."""

    def __init__(self, root="/", binds=()):
        self.lower, self.binds = root, list(binds)
        self.dir = self.nspawn = self.root = None

    def __enter__(self):
        missing = [program for program in NEEDED if not shutil.which(program)]
        if missing:
            raise CannotBoot(f"{', '.join(missing)} not installed")
        if not os.path.exists(os.path.join(self.lower, "lib/systemd/systemd")):
            raise CannotBoot(f"no systemd below {self.lower}")
        if os.geteuid() != 0:
            raise CannotBoot("only root can")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tripline-boot."))
        self.root = self.dir / "root"
        try:
            self._lay_out()
            self._boot()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_):
        if self.nspawn and self.nspawn.poll() is None:
            try:
                self.run("systemctl poweroff", check=False)
                self.nspawn.wait(30)
            except (Failed, subprocess.TimeoutExpired):
                pass
        self._remove()

    def _lay_out(self):
        layer = self.dir / "layer"
        layer.mkdir()
        self.root.mkdir()
        self._mount("-t", "tmpfs", "-o", "size=2G,mode=755", "tmpfs", layer)
        (layer / "upper").mkdir()
        (layer / "work").mkdir()
        options = f"lowerdir={self.lower},upperdir={layer}/upper,workdir={layer}/work"
        self._mount("-t", "overlay", "-o", options, "overlay", self.root)
        # what this machine starts is not what the other one starts
        shutil.rmtree(self.root / "etc/systemd/system/multi-user.target.wants", ignore_errors=True)
        (self.root / "etc/machine-id").write_text(uuid.uuid4().hex + "\n")
        # a journal that outlives a reboot
        (self.root / "var/log/journal").mkdir(parents=True, exist_ok=True)

    def _mount(self, *arguments):
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            raise CannotBoot(done.stderr.strip())

    def _boot(self):
        # with the unified hierarchy and bpf, IPAddressDeny= is enforced
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "-q", "-D", str(self.root), "-b", "--register=no", "--keep-unit", "--private-network",
             "--console=pipe", "--system-call-filter=bpf", "--capability=CAP_BPF,CAP_NET_ADMIN",
             *(f"--bind-ro={source}:{target}" for source, target in self.binds)],
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}, stdin=subprocess.DEVNULL,
            stdout=open(self.dir / "console", "ab"), stderr=subprocess.STDOUT, preexec_fn=_die_with_parent)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.nspawn.poll() is not None:
                # it ends at once where it has not the right
                raise CannotBoot(f"systemd-nspawn: {self.console()[-500:].strip()}")
            if self._init() and self.run("systemctl is-system-running", check=False).strip() in ("running", "degraded"):
                return
            time.sleep(0.05)
        raise Failed(f"it does not come up within {PATIENCE} s: {self.console()[-500:].strip()}")

    def _init(self):
        """The number of the machine's first process, seen from outside; nothing while there is none. What nspawn starts before it
        is in our own namespaces, where no command of a test may run."""
        try:
            for child in pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split():
                is_ours = os.readlink(f"/proc/{child}/ns/pid") == os.readlink("/proc/self/ns/pid")
                if not is_ours and pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return child
        except OSError:
            pass
        return None

    def console(self):
        """What it printed while it booted."""
        return (self.dir / "console").read_text(errors="replace")

    def command(self, script, user=None):
        """The words that run a script in the machine, as root or as `user`."""
        init = self._init()
        if not init:
            raise Failed("the machine is not up")
        enter = ["nsenter", "-t", init, "-m", "-u", "-i", "-n", "-p", "-C", "--",
                 "setpriv", f"--bounding-set={FORBIDDEN}", "--inh-caps=-all", "--",
                 "env", "-i", f"PATH={PATH}", "LANG=C.UTF-8"]
        if user:
            script = f"exec setpriv --reuid {user} --regid {user} --init-groups -- bash -c {shlex.quote(script)}"
        return [*enter, "bash", "-c", script]

    def run(self, script, user=None, check=True):
        """What a script prints (standard error too); fails with that where the script fails and `check` is set."""
        done = subprocess.run(self.command(script, user), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=3 * PATIENCE, start_new_session=True)
        text = done.stdout.decode(errors="replace")
        if check and done.returncode:
            raise Failed(f"`{script}` ended with {done.returncode}: {text.strip()}")
        return text

    def code(self, script, user=None):
        """With which code a script ends."""
        return subprocess.run(self.command(script, user), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=3 * PATIENCE, start_new_session=True).returncode

    def path(self, path):
        """A path of the machine, seen from outside. Nothing that a unit mounts can be seen there."""
        at = self.root / path.lstrip("/")
        if not os.path.realpath(at).startswith(os.path.realpath(self.root)):
            raise Failed(f"{path} leads out of the machine")
        return at

    def write(self, path, text, mode=0o644):
        """Writes a file, with the folders above it."""
        at = self.path(path)
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)
        at.chmod(mode)

    def reboot(self):
        """Boots it again, with the disk as it was left."""
        self.run("systemctl reboot", check=False)
        self.nspawn.wait(PATIENCE)
        self._boot()

    def _remove(self):
        if self.nspawn and self.nspawn.poll() is None:
            self.nspawn.send_signal(signal.SIGKILL)
            self.nspawn.wait()
        for mount in (self.root, self.dir / "layer"):
            if os.path.ismount(mount):
                subprocess.run(["umount", "-l", str(mount)], check=False)
        if not os.path.ismount(self.root):
            shutil.rmtree(self.dir, ignore_errors=True)


def _die_with_parent():
    # PR_SET_PDEATHSIG: whatever ends the test ends the machine
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
