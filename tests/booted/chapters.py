"""What is looked at in the machine: chapters, each on a machine of its own, of things that must hold one after another.

Each looks at `site`, fails with an exception, and may return a word about what it saw.
"""
import json
import time

from installation import HOOK, KEEPS, ORDERS, STARTS_RECEIVER, TRAIL, commands, now
from machine import Failed, until

CHAPTERS = {}
# A stop may take this many seconds; the test allows ten times as much, and says how many it took.
STOP = 5
DAEMON, RUNNER, RECEIVER = "tripline.service", "tripline-hook-runner.service", "tripline-receiver.service"


def item(chapter, what):
    """Adds a function to a chapter."""
    def add(look):
        CHAPTERS.setdefault(chapter, []).append((what, look))
        return look
    return add


def expect(holds, why):
    if not holds:
        raise Failed(why)


def follows(site):
    until("the daemon to follow the portal", lambda: site.events() > 0, 20)


def has_read_all(site):
    """Waits until every line of the trail is an event. It is committed in pieces, and a file is read before its lines are."""
    with open(site.m.path(TRAIL)) as trail:
        lines = sum(1 for _ in trail)
    until(f"{lines} events", lambda: site.events() >= lines, 60)


def ordered(site, who, state):
    """Waits until an order about that person is in that state."""
    try:
        until("the order", lambda: any(o["actor"] == who for o in site.orders(state)), 20)
    except Failed:
        orders = [(o["actor"], o["state"], o.get("refusal"), o.get("note")) for o in site.rows("orders list")]
        raise Failed(f"no order about {who} is {state}: {orders}") from None


def stop(site, *units):
    """Stops units; how long that took."""
    begun = time.monotonic()
    site.m.run(f"systemctl stop {' '.join(units)}")
    took = time.monotonic() - begun
    for unit in units:
        result = site.show(unit, "Result")
        expect(result == "success", f"{unit} ended with result {result!r} after {took:.1f} s")
    expect(took < 10 * STOP, f"it took {took:.1f} s")
    return f"{took:.2f} s"


def started_anew(site, unit, pid):
    """Waits until another process than `pid` is a unit's."""
    new = lambda: site.is_active(unit) and site.show(unit, "MainPID") not in ("0", pid)
    until(f"{unit} to be started anew", new, 30)


# ---- installed as the book says ----

@item("installed", "the commands of the book install it, with its example configuration")
def _(site):
    site.m.write("/etc/hosts", "127.0.0.1 localhost siem.example.org\n")
    site.lay_out(site.example())
    site.install()


@item("installed", "the daemon starts and stays")
def _(site):
    expect(site.is_active(DAEMON), f"{DAEMON} is {site.m.run(f'systemctl status --no-pager -n 5 {DAEMON}', check=False)}")
    follows(site)
    expect(site.show(DAEMON, "NRestarts") == "0", "it was started more than once")


@item("installed", "the runner starts and stays, and its status says that it works")
def _(site):
    until("the runner to be there", lambda: site.is_active(RUNNER), 20)
    until("the daemon to reach it", lambda: "runner" not in site.status().get("health", {"runner": ""}), 20)
    expect(site.show(RUNNER, "NRestarts") == "0", "it was started more than once")
    until("its status", lambda: site.show(RUNNER, "StatusText") == "the daemon is connected", 5)


@item("installed", "a member of tripline-ops may ask")
def _(site):
    site.m.run("useradd member; usermod -aG tripline-ops member; useradd stranger")
    text = site.m.run("tripline status", user="member")
    expect("portal" in text, text)


@item("installed", "somebody else is told which group may")
def _(site):
    code, text = site.m.code("tripline status", user="stranger"), site.m.run("tripline status", user="stranger", check=False)
    expect("tripline-ops" in text and "stranger" in text, text.strip())
    expect(code == 77, f"exit code {code}")


@item("installed", "an intruder's session ends by a hook from /etc/tripline/hooks")
def _(site):
    took = site.intrude("dana", "5e551070000000000001")
    told = site.m.run(f"cat {ORDERS}")
    expect('"session":"5e551070000000000001"' in told.replace(" ", ""), told)
    return f"{took:.1f} s after his login"


@item("installed", "tripline check finds nothing that the units forbid, but names the address that an outlet needs")
def _(site):
    text = site.m.run("tripline check", check=False)
    expect("can be run" in text and "ExecPaths" not in text, text)
    expect("siem.example.org" in text and "IPAddressAllow" in text, text)


@item("installed", "reload: the daemon and the runner read the configuration anew, and a broken one changes nothing")
def _(site):
    config = site.configuration()
    pids = [site.pid(unit) for unit in (DAEMON, RUNNER)]
    site.configure(config.replace("limit = 5", "limit = 7").replace("deadline_seconds = 10", "deadline_seconds = 9"))
    site.m.run("systemctl reload tripline")
    def read_again(unit, said):
        return any(said in entry["MESSAGE"] for entry in site.journal(f"_SYSTEMD_UNIT={unit}"))
    until("the daemon to say so", lambda: read_again(DAEMON, "the configuration was read again"), 20)
    site.configure(config + "\n[nonsense]\n")
    site.m.run("systemctl reload tripline")
    until("the fault to be told", lambda: "nonsense" in site.status().get("health", {}).get("configuration", ""), 20)
    until("the runner to tell it", lambda: read_again(RUNNER, "nonsense"), 20)
    site.configure(config)
    site.m.run("systemctl reload tripline")
    until("it to be well again", lambda: "configuration" not in site.status().get("health", {"configuration": ""}), 20)
    expect(pids == [site.pid(unit) for unit in (DAEMON, RUNNER)], "a process was started anew")


@item("installed", "restart: the runner serves the outlets of the new configuration too, and its hooks go on")
def _(site):
    pid = site.pid(RUNNER)
    site.m.run("systemd-run -q --unit=second python3 -c '\nimport socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
               "s.bind((\"127.0.0.1\", 5140))\nwhile True: s.recv(9999)'")
    second = '\n[syslog.second]\ntransport = "udp"\naddress = "127.0.0.1:5140"\n'
    site.configure(site.configuration() + second)
    site.m.run("systemctl restart tripline")
    follows(site)
    site.m.run("tripline test-finding")
    def sent():
        outlets = {outlet["name"]: outlet for outlet in site.status().get("outlets", [])}
        return outlets.get("syslog.second", {}).get("waiting") == 0
    until("the new outlet to be served", sent, 20)
    expect(site.pid(RUNNER) == pid, "the runner was started anew")


@item("installed", "kill -9 of the daemon: it is back, and ends the next session")
def _(site):
    pid, runner = site.pid(DAEMON), site.pid(RUNNER)
    site.signal("KILL", DAEMON)
    started_anew(site, DAEMON, pid)
    site.intrude("luis", "5e551070000000000002")
    expect(site.pid(RUNNER) == runner, "the runner was started anew with it")


@item("installed", "kill -9 of the runner: it is back, and ends the next session")
def _(site):
    pid = site.pid(RUNNER)
    site.signal("KILL", RUNNER)
    started_anew(site, RUNNER, pid)
    site.intrude("amara", "5e551070000000000003")


@item("installed", "the watchdog: a daemon and a runner that hang are shot and started anew")
def _(site):
    for unit in (DAEMON, RUNNER):
        site.drop_in(unit, "WatchdogSec=2s\nTimeoutAbortSec=5s")
        site.m.run(f"systemctl restart {unit}")
        until("it to be up", lambda: site.is_active(unit), 20)
        pid = site.pid(unit)
        site.signal("STOP", unit)
        started_anew(site, unit, pid)
        site.no_drop_in(unit)
        site.m.run(f"systemctl restart {unit}")
    follows(site)


@item("installed", "IPAddressDeny: a hook reaches this machine and nothing else, until a drop-in names an address")
def _(site):
    reach = '''#!/usr/bin/python3
import socket, sys
sys.stdin.read()
def reached(host):
    try:
        socket.create_connection((host, 9), timeout=1).close()
        return "reached"
    except OSError as e:
        return "denied"
print(reached("127.0.0.1"), reached("192.0.2.10"))
'''
    site.m.run("python3 -c 'import socket, struct, fcntl\n"
               "s = socket.socket()\n"
               "fcntl.ioctl(s, 0x8916, struct.pack(\"16sH2s4s8s\", b\"lo:1\", 2, b\"\", socket.inet_aton(\"192.0.2.10\"), b\"\"))'")
    site.m.run("systemd-run -q --unit=listener python3 -c '\nimport socket\ns = socket.create_server((\"0.0.0.0\", 9))\n"
               "while True: s.accept()[0].close()'")
    until("the listener", lambda: site.m.code("python3 -c 'import socket; socket.create_connection((\"192.0.2.10\", 9), 1)'") == 0, 10)
    site.hook(reach)
    site.m.run(f"systemctl restart {RUNNER}")
    tried = lambda: site.m.run("tripline hooks test end-session --session x --really", check=False)
    until("a runner", lambda: site.is_active(RUNNER), 20)
    text = tried()
    expect("reached denied" in text, text.strip())
    site.drop_in(RUNNER, "IPAddressAllow=192.0.2.10")
    site.m.run(f"systemctl restart {RUNNER}")
    text = tried()
    expect("reached reached" in text, text.strip())
    site.no_drop_in(RUNNER)
    site.hook()
    site.m.run(f"systemctl restart {RUNNER}")
    follows(site)


@item("installed", "the shipped example of a drop-in can be used as it is")
def _(site):
    unit = f"/etc/systemd/system/{RUNNER}.d"
    site.m.run(f"mkdir -p {unit}; cp /src/systemd/tripline-hook-runner.service.d-example.conf {unit}/portal.conf; systemctl daemon-reload")
    site.m.run(f"systemctl restart {RUNNER}", check=False)
    expect(site.is_active(RUNNER), site.m.run(f"systemctl status --no-pager -n 5 {RUNNER}", check=False))
    site.m.run(f"rm {unit}/portal.conf; systemctl daemon-reload; systemctl restart {RUNNER}")


@item("installed", "each right that the units were given back is needed: without chown no socket for a group, without the folder no hook")
def _(site):
    site.drop_in(DAEMON, "SystemCallFilter=~chown fchownat")
    site.m.run("systemctl restart tripline", check=False)
    said = site.m.run("journalctl -u tripline -n 5 --no-pager -o cat")
    expect(not site.is_active(DAEMON) and "control socket" in said, said)
    site.no_drop_in(DAEMON)
    site.m.run("systemctl restart tripline")
    site.drop_in(RUNNER, "NoExecPaths=/etc/tripline/hooks")
    site.m.run(f"systemctl restart {RUNNER}")
    until("a runner", lambda: site.is_active(RUNNER), 20)
    said = site.m.run("tripline hooks test end-session --session x --really", check=False)
    expect("Permission denied" in said and "tripline check" in said, said)
    site.no_drop_in(RUNNER)
    site.m.run(f"systemctl restart {RUNNER}")
    until("a runner", lambda: site.is_active(RUNNER), 20)
    said = site.m.run("tripline hooks test end-session --session x --really", check=False)
    expect("done" in said, said)


@item("installed", "stop within five seconds while it idles")
def _(site):
    follows(site)
    return stop(site, DAEMON)


@item("installed", "stop within five seconds while the daemon is stopped (SIGSTOP)")
def _(site):
    site.m.run("systemctl start tripline")
    follows(site)
    site.signal("STOP", DAEMON)
    took = stop(site, DAEMON)
    site.m.run("systemctl start tripline")
    follows(site)
    return took


@item("installed", "the units are as closed as they say")
def _(site):
    scores = {}
    for unit, most in ((DAEMON, 0.5), (RUNNER, 1.0), (RECEIVER, 1.1)):
        text = site.m.run(f"systemd-analyze security --no-pager {unit}", check=False)
        scores[unit] = float(text.rsplit(f"for {unit}: ", 1)[1].split()[0])
        expect(scores[unit] <= most, f"{unit}: {scores[unit]} is more than {most}")
    return ", ".join(f"{score}" for score in scores.values())


# ---- while a hook runs ----

@item("hooks", "installed")
def _(site):
    site.lay_out(site.example())
    site.install()
    follows(site)


@item("hooks", "kill -9 of both while a hook runs: nothing is lost, and no order is done twice under another key")
def _(site):
    site.hook("#!/bin/sh\nsleep 1\n" + KEEPS.split("\n", 1)[1])
    site.m.run("systemctl reload tripline")
    site.append(site.portal.intrusion(now(), "ben", "5e551070000000000004"))
    ordered(site, "ben", "started")
    pid = site.pid(DAEMON)
    site.signal("KILL", DAEMON, RUNNER)
    ordered(site, "ben", "done")
    # it answers before systemd calls it active
    started_anew(site, DAEMON, pid)
    told = [json.loads(line) for line in site.m.run(f"cat {ORDERS}").splitlines() if line]
    keys = {order["idempotency_key"] for order in told if order["target"]["session"] == "5e551070000000000004"}
    expect(len(keys) == 1, f"{keys}")
    site.hook()
    site.m.run("systemctl reload tripline")


@item("hooks", "stop within five seconds while a hook runs")
def _(site):
    site.hook("#!/bin/sh\nsleep 2\n" + KEEPS.split("\n", 1)[1])
    site.m.run(f"systemctl restart {RUNNER}")
    follows(site)
    site.append(site.portal.intrusion(now(), "yuki", "5e551070000000000005"))
    ordered(site, "yuki", "started")
    took = stop(site, DAEMON, RUNNER)
    site.m.run("systemctl start tripline")
    ordered(site, "yuki", "done")
    return took


# ---- syslog ----

SYSLOG = '''
module(load="imtcp")
input(type="imtcp" port="6010" address="127.0.0.1")
template(name="parts" type="list") {
  property(name="inputname") constant(value="\\t") property(name="programname") constant(value="\\t")
  property(name="procid") constant(value="\\t") property(name="structured-data") constant(value="\\t")
  property(name="msg") constant(value="\\n")
}
action(type="omfile" file="/var/log/parts" template="parts")
'''


@item("syslog", "installed, with the default outlet and one over TCP to rsyslog")
def _(site):
    site.m.write("/etc/rsyslog.d/parts.conf", SYSLOG)
    outlets = '\n[syslog.local]\n\n[syslog.tcp]\ntransport = "tcp"\naddress = "127.0.0.1:6010"\n'
    site.lay_out('control_group = "tripline-ops"\n[[trail]]\nname = "portal"\npaths = ["/var/log/portal/audit.jsonl"]\n'
                 'profile = "tripline-portal"\n[runner]\nsocket = "/run/tripline-hook-runner.sock"\n' + outlets)
    site.install()
    site.m.run("systemctl restart rsyslog")
    follows(site)
    site.append(site.portal.intrusion(now(), "dana", "5e551070000000000006"))
    until("a finding", lambda: site.findings("stolen_session_export"), 20)


def parts(site, way):
    """What rsyslog took a finding for that came that way: program, process, structured data, text."""
    def look():
        text = site.m.run("cat /var/log/parts", check=False)
        rows = [line.split("\t") for line in text.splitlines()]
        found = [row[1:] for row in rows if row[0] == way and "stolen_session_export" in "\t".join(row)]
        return found and found[0]
    return until(f"a finding by {way}", look, 20)


@item("syslog", "the finding is in the journal under its identifier, with its priority")
def _(site):
    def entries():
        return [e for e in site.journal("-t tripline SYSLOG_FACILITY=10") if "policy=\"stolen_session_export\"" in e["MESSAGE"]]
    entry = until("it", entries, 20)[0]
    expect(entry["SYSLOG_PID"] == site.pid(DAEMON), f"SYSLOG_PID={entry['SYSLOG_PID']}")
    expect(entry["PRIORITY"] == "2", f"PRIORITY={entry['PRIORITY']}")
    expect(entry["MESSAGE"].startswith("FINDING [tripline@32473 id=\""), entry["MESSAGE"])


@item("syslog", "through imuxsock rsyslog has the program, the process, and the structured data before the text")
def _(site):
    program, process, _, text = parts(site, "imuxsock")
    expect((program, process) == ("tripline", site.pid(DAEMON)), f"{program} {process}")
    expect(text.lstrip().startswith("FINDING [tripline@32473 id=\""), text)
    expect("\"] " in text and "dana from 203.0.113.77" in text.split("\"] ", 1)[1], text)


@item("syslog", "over TCP rsyslog has the program, the process, the structured data and the text")
def _(site):
    program, process, data, text = parts(site, "imtcp")
    expect((program, process) == ("tripline", site.pid(DAEMON)), f"{program} {process}")
    expect(data.startswith("[tripline@32473 id=\"") and data.endswith("\"]"), data)
    expect("dana from 203.0.113.77" in text, text)


# ---- received from the journal ----

JOURNAL = '''control_group = "tripline-ops"
[[trail]]
name = "portal"
profile = "tripline-portal"
receive = ["journal:portal.service"]
[receiver]
unit = true
[syslog.local]
'''


class Written:
    """How many acts the portal has written to the journal."""
    count = 0


def write(site, acts):
    """The portal, a unit, writes so many acts to its standard output, as journald takes them."""
    lines = "".join(site.portal.ordinary(now()) + "\n" for _ in range(acts))
    Written.count += acts
    site.m.write("/run-portal", lines)
    site.m.run("systemd-run -q --wait --unit=portal.service cat /run-portal; journalctl --sync")


def all_read(site):
    """Every act is read, once."""
    until(f"{Written.count} acts to be read", lambda: site.events() >= Written.count, 30)
    time.sleep(0.5)
    trail = site.status()["trails"]["portal"]
    expect((trail["events"], trail["repeated"]) == (Written.count, 0),
           f"{trail['events']} acts and {trail['repeated']} repeated of {Written.count}")
    return f"{Written.count} acts"


def no_gap(site):
    gaps = site.status()["trails"]["portal"]["gaps"]
    expect(gaps == 0, f"{gaps} gaps")


@item("journal", "installed; what the portal wrote before there was a receiver is read, once")
def _(site):
    Written.count = 0
    write(site, 20)
    site.lay_out(JOURNAL, history=False)
    site.install()
    for line in commands(site.checkout, STARTS_RECEIVER):
        site.m.run(line)
    return all_read(site)


@item("journal", "the receiver starts and stays, and reads what comes")
def _(site):
    write(site, 15)
    all_read(site)
    expect(site.is_active(RECEIVER) and site.show(RECEIVER, "NRestarts") == "0", "it does not stay")
    expect(not site.status()["health"], site.status()["health"])


@item("journal", "what is written before, during and after a reboot is read, once each, and there is no gap")
def _(site):
    stop(site, RECEIVER)
    write(site, 7)
    # the portal writes until it is stopped with the machine
    site.m.write("/run-late", site.portal.ordinary(now()) + "\n")
    site.m.run("systemd-run -q --unit=portal.service -p ExecStop='/bin/cat /run-late' sleep 1000")
    Written.count += 1
    site.m.reboot()
    write(site, 3)
    until("the receiver", lambda: site.is_active(RECEIVER), 20)
    all_read(site)
    no_gap(site)
    # and a reboot that nobody prepared
    write(site, 2)
    site.m.reboot()
    write(site, 4)
    text = all_read(site)
    no_gap(site)
    return text


@item("journal", "kill -9 of the receiver: nothing is lost, and nothing comes twice")
def _(site):
    pid = site.pid(RECEIVER)
    site.signal("KILL", RECEIVER)
    write(site, 5)
    started_anew(site, RECEIVER, pid)
    all_read(site)
    no_gap(site)


def told(site, begins):
    """Waits until the outlets are told that a part of tripline fails, or works again."""
    word = "fails" if begins else "works again"
    def look():
        return [f for f in site.findings("tripline_failing")
                if word in f["finding"]["title"] and "receiver of portal" in f["finding"]["entity"]]
    found = until(f"a finding that the receiver {word}", look, 40)[0]
    until("it to be in the journal", lambda: any(found["finding"]["id"] in e["MESSAGE"] for e in site.journal("-t tripline")), 20)


@item("journal", "a receiver that may not read the journal says so in status, in health and to the outlets")
def _(site):
    site.drop_in(RECEIVER, "SupplementaryGroups=")
    site.m.run(f"systemctl restart {RECEIVER}")
    # while it is started again, none is running
    health = lambda: site.status().get("health", {}).get("receiver of portal") or ""
    until("health", lambda: "systemd-journal" in health(), 20)
    text = site.m.run("tripline status")
    expect("receiver of portal" in text and "health: well" not in text, text)
    told(site, begins=True)


@item("journal", "and that it can again; nothing of what was written meanwhile is lost")
def _(site):
    write(site, 6)
    site.no_drop_in(RECEIVER)
    site.m.run(f"systemctl restart {RECEIVER}")
    until("health", lambda: site.status().get("health") == {}, 20)
    told(site, begins=False)
    all_read(site)


@item("journal", "no receiver at all is told too")
def _(site):
    before = len(site.findings("tripline_failing"))
    stop(site, RECEIVER)
    health = until("health", lambda: site.status().get("health", {}).get("receiver of portal"), 20)
    expect("none is running" in health and "systemctl restart tripline-receiver" in health, health)
    until("a finding", lambda: len(site.findings("tripline_failing")) > before, 40)
    site.m.run(f"systemctl start {RECEIVER}")
    until("health", lambda: site.status().get("health") == {}, 20)
    until("its end", lambda: len(site.findings("tripline_failing")) > before + 1, 40)


@item("journal", "a cursor that is not there any more is a gap")
def _(site):
    stop(site, RECEIVER)
    site.m.run("systemd-run -q --wait --unit=portal.service cat /run-portal")
    site.m.run("journalctl --sync; journalctl --rotate; sleep 1; journalctl --vacuum-time=1s")
    kept = len(site.journal("_SYSTEMD_UNIT=portal.service"))
    expect(kept == 0, f"the journal still holds {kept} acts")
    before = site.events()
    write(site, 3)
    site.m.run(f"systemctl start {RECEIVER}")
    until("what came after it", lambda: site.events() >= before + 3, 20)
    expect(site.status()["trails"]["portal"]["gaps"] == 1, site.status()["trails"]["portal"])
    until("a finding", lambda: site.findings("trail_gap"), 20)
    Written.count = site.events()


@item("journal", "reload: a receiver that is to take in something else is started anew, and the socket is open")
def _(site):
    pid = site.pid(RECEIVER)
    site.configure(site.configuration().replace('"journal:portal.service"]', '"journal:portal.service", "lines:/run/tripline-receiver/portal.sock"]'))
    site.m.run("systemctl reload tripline")
    started_anew(site, RECEIVER, pid)
    until("the socket", lambda: site.m.code("test -S /run/tripline-receiver/portal.sock") == 0, 20)
    write(site, 2)
    return all_read(site)


@item("journal", "each right that its unit was given back is needed: without kill no reload")
def _(site):
    site.drop_in(RECEIVER, "NoExecPaths=/bin/kill /usr/bin/kill")
    site.m.run(f"systemctl restart {RECEIVER}")
    expect(site.m.code(f"systemctl reload {RECEIVER}") != 0, "it reloads without")
    site.no_drop_in(RECEIVER)
    site.m.run(f"systemctl restart {RECEIVER}")
    expect(site.m.code(f"systemctl reload {RECEIVER}") == 0, "it does not reload")


@item("journal", "stop within five seconds of all three")
def _(site):
    return stop(site, RECEIVER, DAEMON, RUNNER)


# ---- logrotate ----

PLAIN = '''control_group = "tripline-ops"
[[trail]]
name = "portal"
paths = ["/var/log/portal/audit.jsonl"]
profile = "tripline-portal"
[runner]
socket = "/run/tripline-hook-runner.sock"
'''
ROTATE = '''/var/log/portal/audit.jsonl {
  rotate 9
  compress
  delaycompress
  missingok
  su root adm
  %s
}
'''


def rotated(site, how):
    site.m.write("/etc/logrotate.d/portal", ROTATE % how)
    events = site.events()
    acts = 0

    def write(number):
        nonlocal acts
        site.append([site.portal.ordinary(now()) for _ in range(number)])
        acts += number

    def read():
        # a lag of 0 may be one of before the last write: what copytruncate cuts must have been read
        try:
            until(f"{acts} acts", lambda: site.events() >= events + acts, 20)
        except Failed as failed:
            files = site.m.run("ls -li --full-time /var/log/portal; wc -l /var/log/portal/audit.jsonl", check=False)
            said = {key: site.status().get(key) for key in ("trails", "files", "health")}
            raise Failed(f"{failed}: {site.events() - events} of them, {said}, {files}") from failed
        site.caught_up()

    write(40)
    for n in range(4):
        read()
        site.m.run("logrotate --force /etc/logrotate.d/portal")
        write(10 + n)
        # one in which nobody has waited for the reader
        if n == 2:
            site.m.run("logrotate --force /etc/logrotate.d/portal" if how.startswith("create") else "true")
    read()
    trail = site.status()["trails"]["portal"]
    expect(trail["events"] == events + acts and trail["repeated"] == 0, f"{trail['events'] - events} of {acts}, {trail}")
    until("health", lambda: site.status().get("health") == {}, 10)
    return trail["gaps"]


@item("rotation", "installed")
def _(site):
    site.lay_out(PLAIN)
    site.install()
    has_read_all(site)


@item("rotation", "logrotate with create: every line once, and no gap")
def _(site):
    gaps = rotated(site, "create 0640 root adm")
    expect(gaps == 0, f"{gaps} gaps")


@item("rotation", "logrotate with copytruncate: every line once; what could be lost between copy and cut is told as a gap")
def _(site):
    gaps = rotated(site, "copytruncate")
    return f"{gaps} gaps told"


# ---- a full disk ----

@item("disk", "installed, with its state on a disk of eight megabytes")
def _(site):
    site.m.run("mkdir -p /var/lib/tripline; mount -t tmpfs -o size=8M,mode=700 tmpfs /var/lib/tripline")
    site.lay_out(site.example())
    site.install()
    has_read_all(site)


@item("disk", "while it is full nothing goes on, and status, health and systemd say so")
def _(site):
    site.full = site.events()
    site.m.run("cat /dev/zero > /var/lib/tripline/fill; sync", check=False)
    # a tmpfs gives what is left in pages: the ledger has to want more than one
    site.append(site.portal.intrusion(now(), "nora", "5e551070000000000007", customers=10))
    health = until("health", lambda: site.status().get("health", {}).get("ledger"), 30)
    expect("room" in health, health)
    until("systemd to know", lambda: "ledger" in site.show(DAEMON, "StatusText"), 10)


@item("disk", "stop within five seconds while it is full and a reload waits, and start again")
def _(site):
    site.m.run("systemctl reload --no-block tripline")
    time.sleep(0.5)
    took = stop(site, DAEMON)
    site.m.run("systemctl start tripline", check=False)
    return took


@item("disk", "with room again every line is read and the session is ended")
def _(site):
    site.m.run("rm /var/lib/tripline/fill")
    until("the daemon", lambda: site.is_active(DAEMON), 30)
    ordered(site, "nora", "done")
    site.caught_up()
    expect(site.status()["trails"]["portal"]["events"] == site.full + 11, site.status()["trails"]["portal"])
    until("health", lambda: "ledger" not in site.status().get("health", {"ledger": ""}), 20)


# ---- what check says of the units ----

CHECKED = '''control_group = "nobody-made-it"
state_dir = "/srv/tripline"
[[trail]]
name = "portal"
paths = ["/var/log/portal/audit.jsonl"]
profile = "tripline-portal"
[[trail]]
name = "far"
profile = "tripline-portal"
receive = ["udp:0.0.0.0:514", "unixgram:/run/elsewhere.sock", "journal:portal.service"]
[response]
mode = "enforce"
[actions.end-session]
command = ["/opt/portal/end-session"]
[actions.revoke-key]
kind = "http"
url = "https://portal.example.org/keys/{target.actor}"
auth = { type = "bearer", credential = "portal-token" }
'''


@item("check", "installed")
def _(site):
    site.lay_out(PLAIN)
    site.install()
    site.m.write("/opt/portal/end-session", KEEPS, 0o755)


@item("check", "it names each fault and the drop-in that mends it")
def _(site):
    site.configure(CHECKED)
    code, text = site.m.code("tripline check"), site.m.run("tripline check", check=False)
    expect(code in (1, 78), f"exit code {code}")
    for words in ("nobody-made-it", "ExecPaths=/opt/portal/end-session", "LoadCredential=portal-token:", "ReadWritePaths=/srv/tripline",
                  "IPAddressAllow=", "/run/elsewhere.sock", "[receiver] unit = true", "[runner] socket =", "systemctl enable --now tripline-receiver.socket"):
        expect(words in text, f"{words!r} is not in\n{text}")


@item("check", "what it names is enough: with it the hook runs")
def _(site):
    config = PLAIN + '[response]\nmode = "enforce"\n[actions.end-session]\ncommand = ["/opt/portal/end-session"]\nidempotent = true\n'
    site.configure(config)
    text = site.m.run("tripline check", check=False)
    expect("ExecPaths=/opt/portal/end-session" in text, text)
    # as it is printed: the path of the drop-in, then its lines
    drop_in = text[text.index("/etc/systemd/system/tripline-hook-runner.service.d/"):].split("\n\n")[0].splitlines()
    site.m.write(drop_in[0].strip().rstrip(":"), "\n".join(line.strip() for line in drop_in[1:] if line.startswith("    ")) + "\n")
    site.m.run(text.split("then `", 1)[1].split("`:", 1)[0] + "; systemctl restart tripline")
    text = site.m.run("tripline check", check=False)
    expect("ExecPaths" not in text, text)
    follows(site)
    site.intrude("dana", "5e551070000000000008")


@item("check", "as another user it says what it could not look at")
def _(site):
    site.m.run("useradd -G tripline somebody")
    text = site.m.run("tripline check", user="somebody", check=False)
    expect("run it as root" in text, text)
