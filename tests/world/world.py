#!/usr/bin/env python3
"""Make the audit trails of one imaginary telephony provider, with labelled attacks in them.

    python3 world.py --seed 7 --out DIR [--days 45] [--staff 200] [--accounts 400]
                     [--start 2026-03-01] [--attacks duo,insider,... | all | none] [--per-kind 2] [--no-rows]

Writes into DIR (the same bytes for the same arguments):
    portal-audit.jsonl   the admin portal's audit trail, JSON lines
    download-access.log  the log-download endpoint's access log (nginx; README.md beside this has the format)
    geo.csv              network,country,city,latitude,longitude,asn,as_org
    listed-networks.csv  network,kind: some hosting and VPN networks, as an operator's list would know them
    geo.mmdb             the same as a MaxMind database, for City and ASN look-ups alike
    staff.csv            actor,role,hired
    truth.jsonl          one labelled attack a line: kind, actor, start, end, sessions, ips, exports
Standard library only. The geography is the same for every seed: geo.mmdb beside this file is what is written for any of them.
Times are UTC.
"""
import argparse
import csv
import datetime as dt
import ipaddress
import json
import os
import random
import sys

sys.dont_write_bytecode = True  # nothing is to lie beside the sources
import mmdb  # noqa: E402

UTC = dt.timezone.utc
DAY = 86400

# ---------------------------------------------------------------- geography

# country, city, latitude, longitude, staff weight
PLACES = [
    ("US", "Denver", 39.74, -104.99, 30), ("US", "Austin", 30.27, -97.74, 22),
    ("US", "Boston", 42.36, -71.06, 14), ("GB", "Leeds", 53.80, -1.55, 12),
    ("DE", "Hamburg", 53.55, 9.99, 8), ("PH", "Cebu", 10.32, 123.89, 14),
    ("CA", "Toronto", 43.65, -79.38, 0), ("FR", "Lyon", 45.76, 4.84, 0),
    ("ES", "Valencia", 39.47, -0.38, 0), ("JP", "Osaka", 34.69, 135.50, 0),
    ("BR", "Curitiba", -25.43, -49.27, 0), ("SG", "Singapore", 1.35, 103.82, 0),
    ("RO", "Cluj", 46.77, 23.62, 0), ("NL", "Amsterdam", 52.37, 4.90, 0),
    ("RU", "Samara", 53.20, 50.15, 0), ("NG", "Lagos", 6.52, 3.38, 0),
    ("VN", "Hanoi", 21.03, 105.85, 0), ("UA", "Dnipro", 48.46, 35.04, 0),
]


class Net:
    """One announced prefix with its place, the AS that announces it, and what kind of network that is."""

    def __init__(self, prefix, place, asn, org, kind):
        self.prefix = ipaddress.ip_network(prefix)
        self.place, self.asn, self.org, self.kind = place, asn, org, kind

    def address(self, rng):
        net = self.prefix
        if net.version == 6:
            return str(net.network_address + (rng.getrandbits(16) << 64) + rng.getrandbits(60) + 1)
        return str(net.network_address + rng.randrange(4, net.num_addresses - 4))


ORGS = [f"{a} {b}" for b in ("Networks", "Telecom", "Online", "Cable", "Fiber", "Connect", "Systems", "Digital")
        for a in ("Alder", "Birch", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper Hill", "Kestrel",
                  "Larch", "Meridian", "Nimbus", "Onyx", "Pioneer", "Quarry", "Ridge", "Summit", "Tundra", "Umber", "Vale")]


class Geography:
    """Every provider is one AS with prefixes in each city of its country, as real providers are."""

    def __init__(self):
        rng = random.Random(20260301)  # the same for every seed
        self.nets, self.by_kind = [], {}
        self._v4, self._v6, self._asn = ipaddress.ip_address("41.0.0.0"), 0, 64600
        orgs = iter(rng.sample(ORGS, len(ORGS)))
        for country in dict.fromkeys(p[0] for p in PLACES):
            for kind, count, length, prefixes in (("isp", 3, 18, 2), ("mobile", 2, 18, 1), ("hotel", 1, 23, 2), ("hosting", 2, 21, 1), ("vpn", 1, 22, 1), ("isp6", 1, 40, 1)):
                for _ in range(count):
                    self._asn += 1
                    org = next(orgs)
                    for place in (p for p in PLACES if p[0] == country):
                        for _ in range(prefixes):
                            self.add(place, kind, org, length)

    def add(self, place, kind, org, length, asn=None):
        if kind == "isp6":
            prefix = f"{ipaddress.ip_address('2001:db8::') + (self._v6 << 88)}/{length}"
            self._v6 += 1
        else:
            size = 1 << (32 - length)
            start = -(-int(self._v4) // size) * size
            prefix = f"{ipaddress.ip_address(start)}/{length}"
            self._v4 = ipaddress.ip_address(start + size * 3)
        net = Net(prefix, place, asn or self._asn, org, kind)
        self.nets.append(net)
        self.by_kind.setdefault((place[0], kind), []).append(net)
        return net

    def pick(self, rng, country, kind):
        return rng.choice(self.by_kind[(country, kind)])

    def pick_at(self, rng, place, kind):
        return rng.choice([n for n in self.by_kind[(place[0], kind)] if n.place == place])

    def siblings(self, net, anywhere=False):
        """The prefixes of the same provider, in the same city or anywhere in the country."""
        return [n for n in self.by_kind[(net.place[0], net.kind)] if n.asn == net.asn and (anywhere or n.place == net.place)]

    def write(self, out):
        rows = sorted(self.nets, key=lambda n: (n.prefix.version, int(n.prefix.network_address)))
        with open(os.path.join(out, "geo.csv"), "w", newline="") as f:
            w = csv.writer(f)
            w.writerow("network country city latitude longitude asn as_org".split())
            for n in rows:
                c, city, lat, lon, _ = n.place
                w.writerow([n.prefix, c, city, lat, lon, n.asn, n.org])
        with open(os.path.join(out, "listed-networks.csv"), "w", newline="") as f:
            w = csv.writer(f)  # what an operator's bought list knows: some hosting and VPN networks, by no means all
            w.writerow(["network", "kind"])
            rng = random.Random(77)
            w.writerows([n.prefix, n.kind] for n in rows if n.kind in ("hosting", "vpn") and rng.random() < 0.6)
        # one database that answers both City and ASN look-ups; the build time is fixed so that the bytes repeat
        mmdb.write(os.path.join(out, "geo.mmdb"), "GeoLite2-City-ASN-World", [(n.prefix, self.value(n)) for n in rows], 1772323200)

    @staticmethod
    def value(net):
        """What the database says of a network."""
        country, city, latitude, longitude, _ = net.place
        return {
            "country": {"iso_code": country, "names": {"en": country}},
            "city": {"names": {"en": city}},
            "location": {"latitude": latitude, "longitude": longitude,
                         "accuracy_radius": {"mobile": 500, "isp": 50, "isp6": 100}.get(net.kind, 20)},
            "autonomous_system_number": net.asn, "autonomous_system_organization": net.org,
        }


# ---------------------------------------------------------------- people

BROWSERS = [("Chrome", "Mozilla/5.0 ({os}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36"),
            ("Edge", "Mozilla/5.0 ({os}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36 Edg/{v}.0.0.0"),
            ("Firefox", "Mozilla/5.0 ({os}; rv:{v}.0) Gecko/20100101 Firefox/{v}.0")]
DESKTOPS = ["Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64"]
PHONES = ["Mozilla/5.0 (iPhone; CPU iPhone OS 17_{m} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.{m} Mobile/15E148 Safari/604.1",
          "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Mobile Safari/537.36"]
TOOLS = ["python-requests/2.31.0", "curl/8.5.0", "Go-http-client/1.1", "okhttp/4.12.0"]


class Device:
    """A browser on a machine; its version rises about every four weeks, as real browsers' do."""

    def __init__(self, rng, phone=False, tool=None):
        self.tool, self.phone = tool, phone
        self.os = rng.choices(DESKTOPS, (6, 3, 1))[0]
        self.pattern = rng.choice(PHONES) if phone else rng.choices(BROWSERS, (6, 2, 2))[0][1]
        self.base, self.offset = rng.randrange(118, 122), rng.random() * 28

    def ua(self, day):
        if self.tool:
            return self.tool
        v = self.base + int((day + self.offset) // 28)
        return self.pattern.format(os=self.os, v=v, m=v - 117)


ROLES = {  # role: weight, events a day, exports a day, rows an export (low, high), accounts an export touches
    "support": (50, 60, 1.2, (50, 2500)), "noc": (15, 70, 1.5, (200, 9000)),
    "billing": (9, 40, 0.3, (500, 8000)), "sales": (16, 25, 0.2, (50, 1500)),
    "engineer": (10, 35, 0.5, (200, 20000)),
}


class Staff:
    def __init__(self, world, index):
        rng = world.rng
        self.world = world
        self.role = rng.choices(list(ROLES), [r[0] for r in ROLES.values()])[0]
        self.id = f"u-{index:04d}"
        self.name = f"{rng.choice('abcdefghijklmnoprstvw')}.{rng.choice(SURNAMES)}{index}@provider.example"
        self.home = rng.choices(PLACES, [p[4] for p in PLACES])[0]
        geo = world.geo
        self.isp = geo.pick_at(rng, self.home, "isp")
        self.isp6 = geo.pick_at(rng, self.home, "isp6") if rng.random() < 0.3 else None
        self.v6site = rng.getrandbits(16)
        self.mobile = geo.pick_at(rng, self.home, "mobile")
        self.office = world.offices[self.home[1]]
        self.remote = rng.random() < 0.45
        self.lease_days = rng.choice([2, 4, 7, 14, 30])
        self.lease = {}
        self.laptop, self.phone = Device(rng), Device(rng, phone=True)
        self.shift = (rng.choice([0, 8, 16]) if self.role == "noc" else rng.choice([8, 9, 10]))
        self.tz = round(self.home[3] / 15)
        # most were hired long ago; some join during the window and have no history
        self.hired = 0 if rng.random() < 0.95 else rng.randrange(5, max(6, world.days - 3))
        self.left = None
        self.trip = None
        if self.role == "sales" and world.days > 10 and rng.random() < 0.5 or rng.random() < 0.05:
            first = rng.randrange(3, max(4, world.days - 4))
            self.trip = (first, first + rng.randrange(2, 6), rng.choice(PLACES))
        self.accounts = rng.sample(world.accounts, min(len(world.accounts), rng.randrange(25, 70)))
        # honest change: a new laptop for some, another home and provider for a few
        self.new_laptop = rng.randrange(8, max(9, world.days)) if rng.random() < 0.06 else None
        self.moves = rng.randrange(8, max(9, world.days)) if rng.random() < 0.03 else None

    def settle(self, day):
        """Take up what changes for this person on this day."""
        if day == self.new_laptop:
            self.laptop = Device(self.world.rng)
        if day == self.moves:
            self.isp = self.world.geo.pick_at(self.world.rng, self.home, "isp")
            self.isp6, self.lease = None, {}

    def home_ip(self, day):
        """The home address: kept for one lease, then another of the same provider."""
        if self.isp6 and self.world.rng.random() < 0.5:
            return str(self.isp6.prefix.network_address + (self.v6site << 72) + self.world.rng.getrandbits(60) + 1)
        slot = day // self.lease_days
        if slot not in self.lease:
            self.lease[slot] = self.world.rng.choice(self.world.geo.siblings(self.isp)).address(self.world.rng)
        return self.lease[slot]

    def on_the_move(self):
        """A mobile address: of the person's carrier, geolocated anywhere in the country, as carriers' gateways are."""
        return self.world.rng.choice(self.world.geo.siblings(self.mobile, anywhere=True)).address(self.world.rng)

    def place_of_work(self, day):
        """(ip, device) for one session of this day."""
        rng, w = self.world.rng, self.world
        away = w.away(self, day)
        if away:
            return away, self.laptop
        if self.trip and self.trip[0] <= day <= self.trip[1]:
            if rng.random() < 0.35:
                return w.vpn_egress.address(rng), self.laptop
            if self._trip_net is None or rng.random() < 0.2:
                self._trip_net = w.geo.pick_at(rng, self.trip[2], "hotel")
                self._trip_ip = self._trip_net.address(rng)
            return self._trip_ip, self.laptop
        x = rng.random()
        if x < 0.06:
            return self.on_the_move(), self.phone
        if x < 0.14:
            return w.vpn_egress.address(rng), self.laptop
        if self.remote or x < 0.30:
            return self.home_ip(day), self.laptop
        return self.office.address(rng), self.laptop

    _trip_net = None


SURNAMES = "abara bell cho dunn ekman farr gold hale ito jones kerr lund marsh nagy ortiz pace quinn reyes shaw tran usman vogel wood yoder zhang".split()


# ---------------------------------------------------------------- the world

class World:
    def __init__(self, seed, days, staff, accounts, start, rows=True):
        self.rng = random.Random(seed)
        self.days, self.start, self.rows = days, start, rows
        self.geo = Geography()
        self.accounts = [f"AC{100000 + i}" for i in range(accounts)]
        # a few large customers buy most of the traffic; their one-time-passcode logs are the prize
        self.size = {a: int(400 * 1.6 ** self.rng.randrange(0, 12)) for a in self.accounts}
        self.offices = {p[1]: self.geo.add(p, "office", "the provider itself", 27, 64599) for p in PLACES if p[4]}
        self.vpn_egress = self.geo.add(PLACES[0], "corpvpn", "the provider itself", 28, 64599)
        self.datacentre = self.geo.pick(self.rng, "US", "hosting")
        self.people = [Staff(self, i) for i in range(staff)]
        self.keys = self._service_keys(max(4, staff // 10))
        self.audit, self.access, self.truth = [], [], []

    def _service_keys(self, count):
        keys = []
        for i in range(count):
            place = self.rng.choice(PLACES[:6])
            net = self.geo.pick(self.rng, place[0], "hosting")
            keys.append({"id": f"key-{i:03d}", "ip": net.address(self.rng), "ua": self.rng.choice(TOOLS),
                         "accounts": self.rng.sample(self.accounts, self.rng.randrange(1, 4)),
                         "hour": self.rng.randrange(24),
                         # some integrations move to another data centre once
                         "moves": self.rng.randrange(2, self.days) if self.rng.random() < 0.15 and self.days > 3 else None,
                         "wins": self.rng.randrange(2, self.days) if self.rng.random() < 0.25 and self.days > 3 else None})
        return keys

    # -- emitters

    def ident(self, prefix):
        return f"{prefix}-{self.rng.getrandbits(64):016x}"

    def emit(self, t, event, who, session, ip, ua, outcome="success", account=None, **details):
        eid = self.ident("ev")
        rec = {"ts": stamp(self, t), "id": eid, "event": event, "outcome": outcome,
               "actor": {"id": who.id, "name": who.name, "type": "staff", "role": who.role} if isinstance(who, Staff) else who,
               "session": session, "ip": ip, "ua": ua}
        if account:
            rec["account"] = account
        if details:
            rec["details"] = details
        self.audit.append((t, rec))
        return eid

    def download(self, t, user, ip, ua, target, rows, session="-", status=200):
        size = 0 if status != 200 else rows * self.rng.randrange(92, 118) + 180
        took = 0.02 + rows / 400000
        self.access.append((t, ip, user, target, status, size, ua, took, session, rows if status == 200 else 0))

    def export(self, t, who, session, ip, ua, account, first, last, kind, rows, fetch_ip=None, fetch_ua=None, fetch_session=None, honest=False):
        """A person exports message logs: a request in the portal, then the file's download."""
        job = self.ident("ex")
        self.emit(t, "log.export.requested", who, session, ip, ua, account=account,
                  export=job, kind=kind, **{"from": day_of(self, first), "to": day_of(self, last)}, **({"rows": rows} if self.rows else {}))
        wait = 1 + rows / 60000 + self.rng.random() * 8
        x = self.rng.random() if honest else 1.0
        if x < 0.02:  # the first try fails
            self.download(t + wait, who.name, ip, ua, f"/exports/{job}.csv", 0, session, status=self.rng.choice((404, 502, 503)))
            wait += self.rng.uniform(5, 60)
        elif x < 0.05:  # fetched twice
            self.download(t + wait + self.rng.uniform(20, 900), who.name, ip, ua, f"/exports/{job}.csv", rows, session)
        elif x < 0.06:  # handed to a colleague, who fetches it in a session of their own
            other, day = self.rng.choice(self.people), int(t // DAY)
            if other is not who and other.hired < day:
                oip, oua = other.office.address(self.rng), other.laptop.ua(day)
                s2, t2 = self._login(other, t + wait + self.rng.uniform(60, 3000), oip, oua)
                if s2:
                    self.download(t2 + 20, other.name, oip, oua, f"/exports/{job}.csv", rows, s2)
        self.download(t + wait, who.name, fetch_ip or ip, fetch_ua or ua, f"/exports/{job}.csv", rows,
                      session if fetch_session is None else fetch_session)
        return t + wait, job

    def api_pull(self, t, key, ip, ua, account, first, last, kind, rows):
        target = f"/api/v1/accounts/{account}/messages.csv?from={day_of(self, first)}&to={day_of(self, last)}&type={kind}"
        self.download(t, key, ip, ua, target, rows)

    # -- ordinary life

    def away(self, person, day):
        """An address that this person works from on this day instead of the usual ones, if any."""
        return None

    def live(self):
        for p in self.people:
            for day in range(p.hired, self.days):
                p.settle(day)
                self._person_day(p, day)
        for day in range(self.days):
            for k in self.keys:
                self._key_day(k, day)

    def _person_day(self, p, day):
        rng = self.rng
        if p.left is not None and day >= p.left:
            return
        date = self.start + dt.timedelta(days=day)
        month_end = p.role == "billing" and date.day <= 3
        if p.role != "noc" and date.weekday() >= 5 and rng.random() > (0.9 if month_end else 0.05):
            return
        if rng.random() < 0.06:
            return  # a day off
        begin = day * DAY + (p.shift - p.tz) * 3600 + rng.gauss(0, 1500)
        shift = rng.uniform(7, 9.5) * 3600
        parts = rng.choices((1, 2, 3), (5, 3, 1))[0]
        for part in range(parts):
            t = begin + shift * part / parts + rng.random() * 900
            end = begin + shift * (part + 1) / parts - 300
            self._session(p, day, t, end, invoice_run=month_end and part == 0, date=date)
        if p.role == "noc" and rng.random() < 0.03:  # a fault is being chased: a burst of larger exports
            ip, ua = p.office.address(rng), p.laptop.ua(day)
            session, t = self._login(p, begin + shift + 300, ip, ua)
            if session:
                for account in rng.sample(p.accounts, rng.randrange(3, 7)):
                    t, _ = self.export(t + rng.uniform(60, 400), p, session, ip, ua,
                                       account, day - 1, day, "sms", int(loguniform(rng, 2000, 12000)))
        if p.role == "support" and rng.random() < 0.004:
            self._honest_reset(p, day, begin + shift + 400)

    def _session(self, p, day, t, end, invoice_run, date):
        """One stretch of work: a login, then views and exports until the end or the logout."""
        rng = self.rng
        ip, device = p.place_of_work(day)
        ua = device.ua(day)
        session, t = self._login(p, t, ip, ua)
        if session is None or end <= t:
            return
        _, per_day, exports, (low, high) = ROLES[p.role]
        # a lid closed at home and opened on the train: same session, other network, from then on
        leaves = t + rng.uniform(0.2, 0.8) * (end - t) if rng.random() < 0.04 else None
        elsewhere = p.on_the_move() if leaves else None

        def where(at):
            return elsewhere if leaves and at > leaves else ip

        n = max(3, int(rng.gauss(per_day / 2, per_day / 8)))
        for t2 in sorted(rng.uniform(t, end) for _ in range(n)):
            account = rng.choice(p.accounts) if rng.random() < 0.9 else rng.choice(self.accounts)
            self.emit(t2, rng.choices(("page.view", "log.query", "account.search", "settings.changed"), (70, 20, 9, 1))[0],
                      p, session, where(t2), ua, account=account)
        for _ in range(poisson(rng, exports / 2)):
            # mostly one's own customers, now and then a colleague's
            account = rng.choice(p.accounts) if rng.random() < 0.85 else rng.choice(self.accounts)
            rows = int(min(self.size[account] * 4, loguniform(rng, low, high)))
            last, back = day - rng.randrange(0, 3), rng.choices((rng.randrange(0, 4), rng.randrange(4, 9)), (9, 1))[0]
            if rng.random() < 0.04:  # a billing dispute or a fraud inquiry: one customer, weeks of it, passcodes too
                back, rows = rng.randrange(9, 31), max(rows, int(self.size[account] * rng.uniform(0.3, 1.0)))
            t2 = rng.uniform(t, end)
            self.export(t2, p, session, where(t2), ua, account, last - back, last,
                        rng.choices(("sms", "voice", "mfa"), (6, 3, 2))[0], rows, honest=True)
        if invoice_run:  # many customers, the whole month before
            t3 = t + 1200
            for account in rng.sample(self.accounts, min(len(self.accounts), rng.randrange(40, 120))):
                t3, _ = self.export(t3 + rng.uniform(5, 60), p, session, where(t3), ua, account,
                                    day - date.day - 29, day - date.day, "sms", self.size[account])
        if rng.random() < 0.6:
            self.emit(end + 30, "session.logout", p, session, where(end), ua)

    def _honest_reset(self, desk, day, t):
        """The help desk resets a colleague's second factor; the colleague enrols a new phone from the usual place."""
        rng = self.rng
        other = rng.choice(self.people)
        if other is desk or day < other.hired:
            return
        ip, ua = desk.office.address(rng), desk.laptop.ua(day)
        session, t = self._login(desk, t, ip, ua)
        if session is None:
            return
        self.emit(t + rng.uniform(60, 600), "user.mfa_reset", desk, session, ip, ua, target=other.name)
        other.phone = Device(rng, phone=True)
        self._login(other, t + rng.uniform(900, 7200), other.home_ip(day), other.laptop.ua(day))

    def _login(self, p, t, ip, ua, force=False):
        rng = self.rng
        if not force:
            for _ in range(poisson(rng, 0.05)):
                self.emit(t, "session.login", p, None, ip, ua, outcome="failure", reason="bad_password")
                t += rng.uniform(4, 30)
            x = rng.random()
            if x < 0.02:  # the phone is in the other room; sometimes it stays there for a while
                for _ in range(1 if x > 0.002 else rng.randrange(3, 6)):
                    self.emit(t + 30, "mfa.challenge", p, None, ip, ua, outcome="failure", method="push", result="timeout")
                    t += rng.uniform(40, 120)
                if x < 0.004:
                    return None, t
            elif x < 0.023:
                self.emit(t + 8, "mfa.challenge", p, None, ip, ua, outcome="failure", method="push", result="denied")
                t += 20
        session = self.ident("s")
        self.emit(t + 6, "mfa.challenge", p, None, ip, ua, method="push", result="approved")
        self.emit(t + 7, "session.login", p, session, ip, ua)
        return session, t + 8

    def _key_day(self, k, day):
        rng = self.rng
        if k["moves"] == day:
            k["ip"] = self.geo.pick(rng, "US", "hosting").address(rng)
        if k["wins"] == day:  # the integration serves one customer more from now on
            k["accounts"].append(rng.choice(self.accounts))
        t = day * DAY + k["hour"] * 3600 + rng.gauss(0, 90)
        backfill = rng.randrange(3, 15) if rng.random() < 0.01 else 1  # it was down, or somebody asked for history
        for account in k["accounts"]:
            t += rng.uniform(2, 40)
            rows = int(self.size[account] * rng.uniform(0.8, 1.2) / 20 * backfill) + 1
            if rng.random() < 0.01:
                self.download(t, k["id"], k["ip"], k["ua"], f"/api/v1/accounts/{account}/messages.csv", 0, status=503)
                t += rng.uniform(5, 90)
            self.api_pull(t, k["id"], k["ip"], k["ua"], account, day - backfill, day - 1, "sms", rows)

    # -- attacks

    def victim(self, role=None, min_day=12):
        # not billing: an intruder who does just what the invoice run does can't be told from it
        pool = [p for p in self.people if p.hired <= 3 and p.id not in self._used and p.role != "billing" and (role is None or p.role == role)]
        p = self.rng.choice(pool or [q for q in self.people if q.id not in self._used and q.role != "billing"])
        self._used.add(p.id)
        return p

    def prizes(self, count):
        big = sorted(self.accounts, key=lambda a: -self.size[a])[: max(10, len(self.accounts) // 6)]
        return self.rng.sample(big, min(count, len(big)))

    def attack_day(self, first=10, last=2):
        return self.rng.randrange(min(first, self.days // 2), max(self.days // 2 + 1, self.days - last))

    def label(self, kind, who, start, end, sessions, ips, exports):
        name = who.name if isinstance(who, Staff) else who
        self.truth.append({"kind": kind, "actor": name, "start": stamp(self, start), "end": stamp(self, end),
                           "sessions": [s for s in sessions if s], "ips": sorted(set(ips)),
                           "exports": [{"ts": stamp(self, t), "account": a, "rows": r} for t, a, r in exports]})

    def loot(self, t, p, session, ip, ua, day, accounts, gap, rows=None, span=None):
        """Exports of one intruder: one kind of log and one span for the whole raid, most often a month of passcodes."""
        done = []
        if self.rng.random() < 0.6:  # most look around first
            for _ in range(self.rng.randrange(2, 12)):
                t += self.rng.uniform(5, 60)
                self.emit(t, self.rng.choice(("page.view", "account.search")), p, session, ip, ua, account=self.rng.choice(self.accounts))
        kind = self.rng.choices(("mfa", "sms", "voice"), (6, 3, 1))[0]
        span = span or self.rng.choices((30, 14, 7, 2), (6, 2, 2, 1))[0]
        for account in accounts:
            n = rows or max(1500, int(self.size[account] * span / 30 * self.rng.uniform(0.8, 1.1)))
            t, _ = self.export(t + self.rng.uniform(*gap), p, session, ip, ua, account, day - span, day - 1, kind, n)
            done.append((t, account, n))
        return t, done

    def attacks(self, kinds, per_kind):
        self._used = set()
        for kind in kinds:
            for _ in range(per_kind):
                getattr(self, "attack_" + kind)()

    def attack_duo(self):
        """Phished credentials, approved push, a foreign hosting network, a month of passcode logs."""
        rng, p, day = self.rng, self.victim("support"), self.attack_day()
        ip = self.geo.pick(rng, rng.choice(["RO", "NL", "RU", "NG", "VN"]), rng.choice(["hosting", "vpn"])).address(rng)
        ua = Device(rng).ua(day)
        t0 = day * DAY + rng.uniform(0, DAY)
        s, t = self._login(p, t0, ip, ua, force=True)
        t, done = self.loot(t, p, s, ip, ua, day, self.prizes(rng.randrange(4, 25)), (20, 200))
        self.label("duo", p, t0, t, [s], [ip], done)

    def attack_residential(self):
        """The same, through a residential proxy in the victim's own country and often own provider."""
        rng, p, day = self.rng, self.victim(), self.attack_day()
        net = p.isp if rng.random() < 0.5 else self.geo.pick(rng, p.home[0], "isp")
        ip, ua = net.address(rng), Device(rng).ua(day)
        t0 = day * DAY + rng.uniform(0, DAY)
        s, t = self._login(p, t0, ip, ua, force=True)
        t, done = self.loot(t + 300, p, s, ip, ua, day, self.prizes(rng.randrange(4, 12)), (120, 900))
        self.label("residential", p, t0, t, [s], [ip], done)

    def attack_slow_drip(self):
        """One modest export a day from a new network in the same country, for ten days and more."""
        rng, p = self.rng, self.victim("support")
        day = min(self.attack_day(), max(1, self.days - 13))
        net, device = self.geo.pick(rng, p.home[0], "isp"), Device(rng)
        ip, done, sessions, t0 = net.address(rng), [], [], None
        for d in range(day, min(self.days, day + rng.randrange(10, 14))):
            s, t = self._login(p, d * DAY + rng.uniform(0, DAY * 0.9), ip, device.ua(d), force=True)
            t0 = t if t0 is None else t0
            t, got = self.loot(t, p, s, ip, device.ua(d), d, self.prizes(rng.randrange(1, 3)), (60, 600), rows=rng.randrange(1800, 3500), span=7)
            done += got
            sessions.append(s)
        self.label("slow_drip", p, t0, t, sessions, [ip], done)

    def attack_session_hijack(self):
        """A stolen cookie: the victim's live session is used from elsewhere, with no login at all."""
        rng, p, day = self.rng, self.victim(), self.attack_day()
        ip0, device = p.home_ip(day), p.laptop
        s, t = self._login(p, day * DAY + rng.uniform(0, DAY * 0.8), ip0, device.ua(day), force=True)
        ip = self.geo.pick(rng, rng.choice([p.home[0], "NL", "BR"]), rng.choice(["isp", "hosting"])).address(rng)
        ua = device.ua(day) if rng.random() < 0.5 else Device(rng).ua(day)
        t0, t1 = t + rng.uniform(600, 4000), t
        for _ in range(30):  # the victim keeps on working
            t1 += rng.uniform(30, 400)
            self.emit(t1, "page.view", p, s, ip0, device.ua(day), account=rng.choice(p.accounts))
        t, done = self.loot(t0, p, s, ip, ua, day, self.prizes(rng.randrange(3, 10)), (30, 300))
        self.label("session_hijack", p, t0, t, [s], [ip], done)

    def attack_mfa_fatigue(self):
        """Push after push until one is approved."""
        rng, p, day = self.rng, self.victim(), self.attack_day()
        ip = self.geo.pick(rng, rng.choice(["GB", "NL", "BR", p.home[0]]), "isp").address(rng)
        ua, t = Device(rng).ua(day), day * DAY + rng.uniform(0, DAY * 0.9)
        t0 = t
        for _ in range(rng.randrange(6, 20)):
            self.emit(t, "mfa.challenge", p, None, ip, ua, outcome="failure", method="push", result=rng.choice(("denied", "timeout")))
            t += rng.uniform(15, 90)
        s, t = self._login(p, t, ip, ua, force=True)
        t, done = self.loot(t, p, s, ip, ua, day, self.prizes(rng.randrange(2, 6)), (60, 400))
        self.label("mfa_fatigue", p, t0, t, [s], [ip], done)

    def attack_helpdesk_reset(self):
        """The help desk is talked into a reset; the new factor is enrolled elsewhere."""
        rng, p, desk, day = self.rng, self.victim(), None, self.attack_day()
        desk = rng.choice([q for q in self.people if q.role == "support" and q is not p and q.hired == 0])
        t = day * DAY + rng.uniform(0, DAY * 0.9)
        ds, t = self._login(desk, t, desk.office.address(rng), desk.laptop.ua(day), force=True)
        self.emit(t + 60, "user.mfa_reset", desk, ds, desk.office.address(rng), desk.laptop.ua(day), target=p.name)
        ip = self.geo.pick(rng, rng.choice(["US", "GB", p.home[0]]), rng.choice(["isp", "mobile"])).address(rng)
        ua, t0 = Device(rng).ua(day), t + rng.uniform(200, 2400)
        s, t = self._login(p, t0, ip, ua, force=True)
        t, done = self.loot(t, p, s, ip, ua, day, self.prizes(rng.randrange(2, 8)), (60, 600))
        self.label("helpdesk_reset", p, t0, t, [s], [ip], done)

    def attack_insider(self):
        """No new origin at all: a member of staff takes far more than the role ever does."""
        rng, p, day = self.rng, self.victim(rng_role(self.rng)), self.attack_day()
        ip, ua = p.home_ip(day), p.laptop.ua(day)
        t0 = day * DAY + ((p.shift - p.tz) % 24) * 3600 + rng.uniform(0, 5 * 3600)
        s, t = self._login(p, t0, ip, ua, force=True)
        t, done = self.loot(t, p, s, ip, ua, day, self.prizes(rng.randrange(8, 25)), (20, 120))
        self.label("insider", p, t0, t, [s], [ip], done)

    def attack_apikey_theft(self):
        """A leaked integration key is used from another network, for customers it never served."""
        rng, day = self.rng, self.attack_day()
        k = rng.choice([q for q in self.keys if q["id"] not in self._used] or self.keys)
        self._used.add(k["id"])
        ip = self.geo.pick(rng, rng.choice(["NL", "VN", "US"]), rng.choice(["hosting", "vpn"])).address(rng)
        ua, t = rng.choice(TOOLS), day * DAY + rng.uniform(0, DAY * 0.9)
        t0, done = t, []
        for account in self.prizes(rng.randrange(3, 12)):
            t += rng.uniform(3, 60)
            n = int(self.size[account] * rng.uniform(0.3, 1.0)) + 1000
            self.api_pull(t, k["id"], ip, ua, account, day - 30, day - 1, rng.choice(("mfa", "sms")), n)
            done.append((t, account, n))
        self.label("apikey_theft", k["id"], t0, t, [], [ip], done)

    # -- writing

    def write(self, out):
        os.makedirs(out, exist_ok=True)
        self.geo.write(out)
        rng = self.rng
        horizon = self.days * DAY
        audit = sorted(((t + rng.gauss(0, 0.15), r) for t, r in self.audit if 0 <= t < horizon), key=lambda x: x[0])
        access = sorted(((a[0] + a[7] + rng.gauss(0, 0.1), a) for a in self.access if 0 <= a[0] < horizon), key=lambda x: x[0])
        with open(os.path.join(out, "portal-audit.jsonl"), "w") as f:
            for _, rec in audit:
                line = json.dumps(rec, separators=(",", ":"))
                x = rng.random()
                if x < 5e-6:
                    line = line[: rng.randrange(5, len(line) - 5)]  # a writer died mid-line
                f.write(line + "\n")
                if x > 1 - 5e-5:
                    f.write(line + "\n")  # a shipper sent it twice
        with open(os.path.join(out, "download-access.log"), "w") as f:
            for _, (t, ip, user, target, status, size, ua, took, session, rows) in access:
                when = (self.start + dt.timedelta(seconds=t + took)).strftime("%d/%b/%Y:%H:%M:%S +0000")
                f.write(f'{ip} - {user} [{when}] "GET {target} HTTP/1.1" {status} {size} "-" "{ua}" rt={took:.3f} sid={session}{f" rows={rows}" if self.rows else ""}\n')
        with open(os.path.join(out, "staff.csv"), "w", newline="") as f:
            w = csv.writer(f)
            w.writerow(["actor", "role", "hired"])
            for p in self.people:
                w.writerow([p.name, p.role, day_of(self, p.hired) if p.hired else ""])
        with open(os.path.join(out, "truth.jsonl"), "w") as f:
            for row in sorted(self.truth, key=lambda r: r["start"]):
                f.write(json.dumps(row) + "\n")
        return len(audit), len(access), len(self.truth)


def rng_role(rng):
    return rng.choice(["support", "sales"])


def stamp(world, t):
    return (world.start + dt.timedelta(seconds=t)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day_of(world, day):
    return (world.start + dt.timedelta(days=day)).date().isoformat()


def loguniform(rng, low, high):
    return low * (high / low) ** rng.random()


def poisson(rng, mean):
    n, p, limit = 0, rng.random(), 2.718281828 ** -mean
    while p > limit:
        n, p = n + 1, p * rng.random()
    return n


KINDS = [n[7:] for n in dir(World) if n.startswith("attack_") and n != "attack_day"]


def main(world_class=World, kinds=KINDS):
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--days", type=int, default=45)
    ap.add_argument("--staff", type=int, default=200)
    ap.add_argument("--accounts", type=int, default=400)
    ap.add_argument("--start", default="2026-03-01")
    ap.add_argument("--attacks", default="all", help="all, none, or a comma-separated list of: " + ", ".join(kinds))
    ap.add_argument("--per-kind", type=int, default=2)
    ap.add_argument("--no-rows", action="store_true", help="a portal that never says how many records: only bytes remain")
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    start = dt.datetime.fromisoformat(a.start).replace(tzinfo=UTC)
    w = world_class(a.seed, a.days, a.staff, a.accounts, start, not a.no_rows)
    w.live()
    w.attacks({"all": kinds, "none": []}.get(a.attacks, a.attacks.split(",")), a.per_kind)
    n = w.write(a.out)
    print(f"{n[0]} audit events, {n[1]} downloads, {n[2]} attacks in {a.out}")


if __name__ == "__main__":
    main()
