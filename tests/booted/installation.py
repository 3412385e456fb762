"""tripline in the machine, installed by the commands that stand in the book, with the configuration that stands there."""
import datetime
import json
import pathlib
import re
import shutil
import subprocess
import time

import geo
from history import Portal
from machine import Failed, until

SOURCE = "/src"
TRAIL = "/var/log/portal/audit.jsonl"
CONFIG = "/etc/tripline/tripline.toml"
HOOK = "/etc/tripline/hooks/end-session"
ORDERS = "/var/lib/tripline-hook-runner/orders.jsonl"
# A hook that keeps what it is told, where the runner's unit lets it write.
KEEPS = f'#!/bin/sh\ncat >> {ORDERS}\necho >> {ORDERS}\necho signed out\n'


def now():
    return datetime.datetime.now(datetime.timezone.utc)


# The pages of the book that say how it is installed, and what a configuration looks like.
COMMANDS = "docs/src/operate/systemd.md"
CONFIGURATION = "docs/src/getting-started/configuration.md"
# The command that also starts the receiver, which stands apart.
STARTS_RECEIVER = "systemctl enable --now tripline-receiver.service"


def blocks(checkout, page, language):
    """The blocks of that language on a page of the book; words behind the language (```toml,check) say how a test reads them."""
    text = (pathlib.Path(checkout) / page).read_text()
    found = re.findall(rf"^```{language}(?:[, ][^\n]*)?\n(.*?)^```", text, re.M | re.S)
    if not found:
        raise Failed(f"{page} has no block of {language}")
    return found


def example(checkout):
    """The book's example configuration: the one that is whole."""
    found = [text for text in blocks(checkout, CONFIGURATION, "toml") if "[[trail]]" in text and "[runner]" in text]
    if not found:
        raise Failed(f"{CONFIGURATION} has no configuration with [[trail]] and [runner]")
    return found[0]


def commands(checkout, of="install -m 0755 target/release/tripline"):
    """The commands that stand together on their page, of which `of` is one: without more, those that install it."""
    found = [text.splitlines() for text in blocks(checkout, COMMANDS, "sh")]
    found = [lines for lines in found if any(line.startswith(of) for line in lines)]
    if not found:
        raise Failed(f"{COMMANDS} has no block with the command {of!r}")
    return [line for line in found[0] if line and not line.startswith("#")]


def found_in_the_book(checkout):
    """How much of it is there, before a machine is booted for it."""
    receiver = commands(checkout, STARTS_RECEIVER)
    return (f"{CONFIGURATION}: {len(example(checkout).splitlines())} lines of configuration\n"
            f"{COMMANDS}: {len(commands(checkout))} commands install it, {len(receiver)} starts its receiver")


class Installation:
    """What the tests need of the machine with tripline in it."""

    def __init__(self, machine, checkout, binary, drop_ins=()):
        self.m, self.checkout, self.binary, self.drop_ins = machine, pathlib.Path(checkout), binary, drop_ins
        self.portal = Portal()

    def example(self):
        """The book's example configuration."""
        return example(self.checkout)

    def lay_out(self, config, history=True):
        """The folder that the book's commands are run in, and what the configuration names."""
        m = self.m
        source = m.path(SOURCE)
        shutil.copytree(self.checkout / "systemd", source / "systemd")
        shutil.copy(self.checkout / "README.md", source)
        shutil.copytree(self.checkout / "docs", source / "docs")
        (source / "target/release").mkdir(parents=True)
        program = source / "target/release/tripline"
        shutil.copy(self.binary, program)
        # what is installed is as large as what a release would install
        subprocess.run(["strip", str(program)], check=False, stderr=subprocess.DEVNULL)
        m.write(f"{SOURCE}/tripline.toml", config)
        for kind in ("City", "ASN"):
            at = m.path(f"/usr/share/GeoIP/GeoLite2-{kind}.mmdb")
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(geo.database(f"GeoLite2-{kind}"))
        m.write("/var/log/nginx/downloads.log", "")
        m.write(TRAIL, "".join(line + "\n" for line in self.portal.past(now())) if history else "")
        m.run(f"chgrp -R adm /var/log/portal /var/log/nginx; chmod 750 /var/log/portal; chmod 640 {TRAIL}")
        for unit, lines in self.drop_ins:
            m.write(f"/etc/systemd/system/{unit}.d/given.conf", f"[Service]\n{lines}\n")

    def install(self):
        """Runs the book's commands, but for the one that compiles, in its order; what it says to lay in between lies there."""
        for line in commands(self.checkout):
            if line.startswith("systemctl enable"):
                self.lists()
                self.hook()
            if not line.startswith("cargo build"):
                self.m.run(f"cd {SOURCE} && {line}")

    def lists(self):
        """The lists that the example configuration names."""
        self.m.write("/etc/tripline/networks.csv", "network,kind\n198.51.100.0/24,hosting\n")
        self.m.write("/etc/tripline/staff.csv", "actor,role\nuser-of-no-trail,support\n")
        self.m.write("/etc/tripline/watch-list.csv", "customer,kind\noak-bank,watched\n")

    def hook(self, text=KEEPS):
        self.m.write(HOOK, text, 0o755)

    def configure(self, text):
        """Puts another configuration in place, as its owner."""
        self.m.write("/etc/tripline/tripline.toml.new", text)
        self.m.run(f"install -m 0640 -g tripline {CONFIG}.new {CONFIG} && rm {CONFIG}.new")

    def configuration(self):
        return self.m.path(CONFIG).read_text()

    def drop_in(self, unit, lines):
        self.m.write(f"/etc/systemd/system/{unit}.d/test.conf", f"[Service]\n{lines}\n")
        self.m.run("systemctl daemon-reload")

    def no_drop_in(self, unit):
        self.m.run(f"rm -r /etc/systemd/system/{unit}.d/test.conf; systemctl daemon-reload")

    def show(self, unit, name):
        return self.m.run(f"systemctl show -P {name} {unit}").strip()

    def pid(self, unit):
        """The number of a unit's process."""
        pid = self.show(unit, "MainPID")
        if pid == "0":
            raise Failed(f"{unit} does not run")
        return pid

    def signal(self, name, *units):
        self.m.run(f"kill -{name} {' '.join(self.pid(unit) for unit in units)}")

    def is_active(self, unit):
        return self.m.run(f"systemctl is-active {unit}", check=False).strip() == "active"

    def status(self):
        text = self.m.run("tripline status --json", check=False)
        try:
            return json.loads(text.splitlines()[-1])
        except (ValueError, IndexError):
            return {}

    def events(self, trail="portal"):
        return self.status().get("trails", {}).get(trail, {}).get("events", 0)

    def rows(self, command):
        text = self.m.run(f"tripline {command} --json", check=False)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def findings(self, policy):
        return self.rows(f"findings list --policy {policy} --limit 1000")

    def orders(self, state):
        return [order for order in self.rows("orders list --limit 1000") if order["state"] == state]

    def append(self, lines, path=TRAIL):
        with open(self.m.path(path), "a") as trail:
            trail.writelines(line + "\n" for line in lines)

    def intrude(self, who, session):
        """An intruder's acts, and the wait until his session was ended by the hook. Returns the seconds that it took."""
        begun = time.monotonic()
        self.append(self.portal.intrusion(now(), who, session))
        told = lambda: self.m.run(f"cat {ORDERS}", check=False)
        until(f"the hook to be told of {session}", lambda: session in told(), 20)
        until("the order to be done", lambda: any(o["actor"] == who for o in self.orders("done")), 20)
        return time.monotonic() - begun

    def caught_up(self):
        """Waits until every trail is read to its end."""
        def lags():
            files = self.status().get("files")
            return files is not None and all(f["lag_bytes"] == 0 for trail in files.values() for f in trail)
        until("the trails to be read to their ends", lags)

    def journal(self, matches):
        """The entries of the journal that fit."""
        text = self.m.run(f"journalctl --merge --no-pager -o json {matches}", check=False)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
