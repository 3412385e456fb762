#!/usr/bin/env python3
"""Worlds from the public record: intrusions at providers of communication and of software as a service, and honest oddities that
really cause false alarms. Usage as world.py's, and more:

    breach.py --seed 11 --staff 250 --days 56 --out DIR [--kinds a,b | all | none] [--per-kind 2] [--messy] [--no-odd]

Beside world.py's files it writes `honest.jsonl`, the oddities, so that exam.py can put a false alarm down to its cause. No detector
may read it, nor truth.jsonl. `--messy` makes the trails what trails are: the access log's clock is 40 s ahead, 2 % of the lines are
delivered twice, 1 % come up to half an hour late, and in 1 % a field is missing. These worlds have networks of their own, and so a
geo.mmdb of their own.

Each attack_* says which incident it abstracts, and what of that incident's facts it keeps. Sizes are this world's: where 163
customers of 270,000 were looked at, here it is some dozens of 400.
"""
import argparse
import datetime as dt
import ipaddress
import json
import os
import random
import re
import sys

sys.dont_write_bytecode = True  # nothing is to lie beside the sources
import world as base  # noqa: E402
from world import DAY, Device, PLACES, Staff, TOOLS, loguniform, poisson  # noqa: E402

HOUR = 3600
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{v}.0 Safari/605.1.15"
EDGE = base.BROWSERS[1][1]
PLACE = {p[1]: p for p in PLACES}
AMERICA, EUROPE = ("US", "CA"), ("GB", "DE", "FR", "ES", "RO", "NL", "UA")


class Safari(Device):
    """Safari on a Mac: one version a year and some, as Apple does."""

    def __init__(self, rng):
        super().__init__(rng)
        self.pattern, self.base, self.offset = SAFARI, 18, 0

    def ua(self, day):
        return SAFARI.format(v=18 if day < 30 else 19) if self.pattern == SAFARI else super().ua(day)


class Person(Staff):
    leave = None            # (first, last) day of a long absence
    holiday = None          # (first, last) day of Easter holidays
    cover = None            # (first, last, colleague's accounts, net or None)
    sase = starlink = relay = v6from = None   # first day of it
    kiosk = refresh = switch = False
    scripted = None         # fetches the files with this tool
    farm = None

    def __init__(self, world, index):
        super().__init__(world, index)
        self.tz0 = self.tz
        self.eras = []  # (from day, laptop, provider, its IPv6): what was so on a day, whenever it is asked

    def era(self, day):
        """(laptop, provider, IPv6 provider) of that day."""
        found = None
        for e in self.eras:
            if e[0] <= day or found is None:
                found = e
        return found[1:] if found else (self.laptop, self.isp, self.isp6)

    def ua(self, day):
        return self.era(day)[0].ua(day)

    def home_ip(self, day):
        """As Staff's, but right for days that are past."""
        _, isp, isp6 = self.era(day)
        rng = self.world.rng
        if isp6 and rng.random() < 0.5:
            return str(isp6.prefix.network_address + (self.v6site << 72) + rng.getrandbits(60) + 1)
        slot = (isp.asn, str(isp.prefix), day // self.lease_days)
        if slot not in self.lease:
            self.lease[slot] = rng.choice(self.world.geo.siblings(isp)).address(rng)
        return self.lease[slot]

    def remember(self, day):
        now = (self.laptop, self.isp, self.isp6)
        if not self.eras or self.eras[-1][1:] != now:
            self.eras.append((day, *now))

    def settle(self, day):
        had = dict(self.lease)
        super().settle(day)
        self.lease = had
        w = self.world
        if day == self.refresh:
            mac = "Macintosh" in self.laptop.os
            self.laptop = Device(w.rng)
            self.laptop.os = base.DESKTOPS[0 if mac else 1]
        if day == self.switch:  # IT takes Chrome away and rolls out Edge
            new = Device(w.rng)
            new.os, new.pattern, new.base, new.offset = self.laptop.os, EDGE, self.laptop.base, self.laptop.offset
            self.laptop = new
        self.tz = self.tz0 + w.summer_time(self.home[0], day)
        self.remember(day)

    def place_of_work(self, day):
        w, rng = self.world, self.world.rng
        if self.farm:
            return self.farm, self.laptop
        if self.kiosk and rng.random() < 0.45:
            return w.kiosk_ip, w.kiosk
        if self.cover and self.cover[3] and self.cover[0] <= day <= self.cover[1] and rng.random() < 0.7:
            if not hasattr(self, "_cover_ip"):
                self._cover_ip = self.cover[3].address(rng)
            return self._cover_ip, self.laptop
        return super().place_of_work(day)


class Stretch:
    def __init__(self, session, who, t, ip, ua):
        self.session, self.who, self.begin, self.end, self.ip, self.ua = session, who, t, t, ip, ua
        self.ips, self.logout = {ip}, False


class Breach(base.World):

    def __init__(self, seed, days, staff, accounts, start, rows=True, odd=True):
        self.odd_on = odd
        super().__init__(seed, days, staff, accounts, start, rows)
        rng = self.rng
        self.honest, self.living, self.stretches, self._stick, self._resets = [], False, {}, {}, []
        self._asn_next = 65200
        self.people = [Person(self, i) for i in range(staff)]
        # the trail's own services: sessions of programs in the portal
        self.services = []
        for i, name in enumerate(("svc-crm-sync", "svc-usage-report", "svc-support-sync", "svc-ticket-bridge", "svc-config", "svc-provision")):
            self.services.append({"actor": {"id": f"sa-{i:02d}", "name": name, "type": "service", "role": "service"},
                                  "ip": self.datacentre.address(rng), "ua": rng.choice(TOOLS), "hour": rng.randrange(24),
                                  "exports": name not in ("svc-config", "svc-provision"),
                                  "accounts": rng.sample(self.accounts, rng.randrange(12, 40))})
        # large integrations: one key, many customers (as a CRM's or a chat bot's)
        self.big_keys = []
        for i in range(4):
            net = self.geo.pick(rng, rng.choice(("US", "US", "DE")), "hosting")
            k = {"id": f"key-int-{i}", "ip": net.address(rng), "ua": rng.choice(("python-requests/2.31.0", "Go-http-client/1.1", "okhttp/4.12.0")),
                 "accounts": rng.sample(self.accounts, rng.randrange(18, 36)), "hour": rng.randrange(24), "moves": None, "wins": None, "net": net}
            self.big_keys.append(k)
        self.keys += self.big_keys
        # accounts that stand in the directory and are never used: demo accounts, people who left before
        self.silent = []
        for i in range(8):
            p = Person(self, 700 + i)
            p.left, p.hired, p.role, p.trip = -1, 0, rng.choice(("sales", "support", "engineer")), None
            self.silent.append(p)
        self.people += self.silent
        # hired during the window through a laptop farm (two in one house)
        self.farmers = []
        house = self.geo.pick(rng, "US", "isp").address(rng)
        for i in range(3):
            p = Person(self, 800 + i)
            p.hired, p.role, p.trip, p.farm, p.tz0 = min(12 + i, self.days - 2), "engineer", None, house, -7
            p.new_laptop = p.moves = None
            self.farmers.append(p)
        self.people += self.farmers
        if odd:
            self._plan()
        self.by_name = {p.name: p for p in self.people}

    # ------------------------------------------------------------------ helpers

    def org(self, place, kind, name, length, asn=None):
        if asn is None:
            asn = self._asn_next
            self._asn_next += 1
        return self.geo.add(place, kind, name, length, asn)

    def note(self, oddity, who=None, first=0, last=None, ips=(), text=""):
        """What is odd and honest, for exam.py alone."""
        last = first + DAY if last is None else last
        self.honest.append({"oddity": oddity, "actor": getattr(who, "name", who), "start": base.stamp(self, first),
                            "end": base.stamp(self, last), "ips": sorted(set(ips)), "text": text})

    def summer_time(self, country, day):
        if not self.odd_on:
            return 0
        date = (self.start + dt.timedelta(days=day)).date()
        if country in AMERICA:
            return 1 if date >= dt.date(date.year, 3, 8) and date < dt.date(date.year, 11, 1) else 0
        if country in EUROPE:
            return 1 if date >= dt.date(date.year, 3, 29) and date < dt.date(date.year, 10, 25) else 0
        return 0

    def workday(self, low, high=None):
        high = high or self.days - 1
        days = [d for d in range(int(low), max(int(low) + 1, int(high))) if (self.start + dt.timedelta(days=d)).weekday() < 5]
        return self.rng.choice(days or [int(low)])

    # ------------------------------------------------------------------ the honest oddities: planning

    def _plan(self):
        rng, geo, D = self.rng, self.geo, self.days
        free = [p for p in self.people if p.hired == 0 and p.left is None]
        rng.shuffle(free)
        take = lambda n, test=lambda p: True: [free.pop(free.index(p)) for p in [q for q in free if test(q)][:n]]  # noqa: E731
        n = len(free)

        # 1 merger: thirty people start on one day in a country where nobody was, with an office of another AS
        day = self.workday(D * 0.3, D * 0.6)
        place = PLACE["Toronto"]
        office = self.org(place, "office", "Acquired Telecom Inc", 26)
        for i in range(30):
            p = Person(self, 900 + i)
            p.home, p.office, p.hired, p.trip, p.left = place, office, day, None, None
            p.isp, p.isp6, p.mobile, p.tz0 = geo.pick_at(rng, place, "isp"), None, geo.pick_at(rng, place, "mobile"), -5
            p.new_laptop = p.moves = None
            self.people.append(p)
            self.note("merger", p, day * DAY, D * DAY)
        # 2 dual-WAN: an office balances its requests over two providers for a week (SD-WAN failover)
        self.dual_day = self.workday(D * 0.25, D * 0.75)
        self.dual_city = rng.choice(sorted({p.home[1] for p in self.people if not p.remote and p.home[1] != "Toronto"}))
        self.dual_net = self.org(PLACE[self.dual_city], "isp", "Second Uplink GmbH", 27)
        for p in self.people:
            if p.home[1] == self.dual_city:
                self.note("dual_wan", p, self.dual_day * DAY, (self.dual_day + 7) * DAY)
        # 3 IPv6: homes and one office become dual-stack; each request takes the one that answers first
        self.v6_day = self.workday(D * 0.25, D * 0.7)
        for p in take(n // 12, lambda p: not p.isp6):
            p.v6from = self.v6_day + rng.randrange(6)
            p.v6net = geo.pick_at(rng, p.home, "isp6") if rng.random() < 0.5 else None
            if p.v6net is None:  # the provider's own AS announces both
                p.v6net = geo.add(p.home, "isp6", p.isp.org, 40, p.isp.asn)
            self.note("ipv6", p, p.v6from * DAY, D * DAY)
        # 4 Starlink: CGNAT whose exits lie in several cities
        star = {}
        for country in ("US", "GB", "DE", "PH", "CA"):
            cities = [q for q in PLACES if q[0] == country] or [PLACE["Denver"]]
            if country in ("GB", "DE"):
                cities = [PLACE["Leeds"], PLACE["Hamburg"], PLACE["Valencia"]]
            star[country] = [geo.add(q, "isp", "Star Satellite", 22, 64999) for q in cities]
        for p in take(6, lambda p: p.remote):
            p.starlink, p.star = rng.randrange(int(D * 0.2), int(D * 0.7)), star[p.home[0]]
            self.note("starlink", p, p.starlink * DAY, D * DAY)
        # 5 iCloud Private Relay on Macs: two operators, another exit every few minutes
        self.relays = {c: [self.org(next(q for q in PLACES if q[0] == c), "relay", f"Relay {x}", 22, asn) for x, asn in (("Edge A", 65101), ("Edge B", 65102))]
                       for c in ("US", "GB", "DE", "PH", "CA")}
        for p in take(10):
            p.laptop = Safari(rng)
            p.laptop.os = base.DESKTOPS[1]
            p.relay = rng.randrange(int(D * 0.2), int(D * 0.8))
            p.new_laptop = None
            self.note("private_relay", p, p.relay * DAY, D * DAY)
        # 6 the fleet changes its browser within five days
        self.switch_day = self.workday(D * 0.3, D * 0.75)
        for p in list(free):
            if "Windows" in p.laptop.os and "Edg/" not in p.laptop.pattern and "Chrome" in p.laptop.pattern and rng.random() < 0.6:
                p.switch = self.switch_day + rng.randrange(5)
                self.note("fleet_browser", p, p.switch * DAY, (p.switch + 3) * DAY)
        # 7 laptop refresh: a fifth of the staff in a week
        self.refresh_day = self.workday(D * 0.3, D * 0.85)
        for p in rng.sample(free, len(free) // 5):
            if not p.switch:
                p.refresh = self.refresh_day + rng.randrange(5)
                self.note("laptop_refresh", p, p.refresh * DAY, (p.refresh + 3) * DAY)
        # 8 SASE pilot: the portal goes out by the vendor's PoPs, big downloads go direct (split tunnel)
        pops = [self.org(PLACE[c], "sase", "Cloud Security Edge", 24, 65110) for c in ("Denver", "Boston", "Leeds", "Hamburg", "Singapore", "Amsterdam")]
        self.pops = {"US": pops[:2], "GB": pops[2:4], "DE": pops[2:4], "PH": pops[4:5], "CA": pops[:2]}
        self.sase_day = self.workday(D * 0.3, D * 0.75)
        for p in take(20):
            p.sase = self.sase_day
            self.note("sase_split", p, p.sase * DAY, D * DAY)
        # 9 Easter: people are away, others take over their customers, some of those from their parents' house
        first = self.workday(D * 0.45, D * 0.7)
        pairs = take(30, lambda p: p.role in ("support", "sales", "noc"))
        for a, b in zip(pairs[::2], pairs[1::2]):
            a.holiday = (first, first + 11)
            net = geo.pick(rng, b.home[0], "isp") if rng.random() < 0.5 else None
            b.cover = (first, first + 11, a.accounts, net)
            self.note("holiday_cover", b, first * DAY, (first + 12) * DAY, text=a.name)
        # 10 back from 45 days of leave, with a new laptop and a new home
        for p in take(3):
            p.leave = (rng.randrange(2, 4), D - rng.randrange(4, 8))
            self.note("parental_leave", p, p.leave[1] * DAY, D * DAY)
        # 11 SSO outage: a morning of failures
        self.sso = self.workday(D * 0.3, D * 0.9) * DAY + rng.choice((8, 13, 15)) * HOUR
        self.note("sso_outage", None, self.sso, self.sso + 3 * HOUR)
        # 12 the NOC's kiosk: one machine at one address for all who are on shift
        self.kiosk = Device(rng)
        city = max({p.home[1] for p in self.people}, key=lambda c: sum(p.role == "noc" and p.home[1] == c for p in self.people))
        self.kiosk_ip = self.offices[city].address(rng)
        for p in self.people:
            if p.role == "noc" and p.home[1] == city:
                p.kiosk = True
                self.note("kiosk", p, 0, D * DAY, [self.kiosk_ip])
        # 13 NAT64: a carrier moves its phones to a pool in which every request has another address
        self.nat64_day = self.workday(D * 0.25, D * 0.7)
        old = rng.choice([p for p in self.people if p.home[0] == "US"]).mobile
        self.nat64_asn = old.asn
        self.nat64 = [geo.add(q, "mobile", old.org, 24, old.asn) for q in PLACES if q[0] == "US"]
        for p in self.people:
            if p.mobile.asn == old.asn:
                self.note("nat64", p, self.nat64_day * DAY, D * DAY)
        # 14 people who fetch with a script
        for p in take(5, lambda p: p.role in ("engineer", "noc")):
            p.scripted = rng.choice(("curl/8.5.0", "Wget/1.21.4", "python-requests/2.31.0"))
            self.note("download_tool", p, 0, D * DAY)
        self.plain = free

    # ------------------------------------------------------------------ egress, as it varies from request to request

    def sticky(self, key, seconds, t, choose):
        slot = (key, int(t // seconds))
        if slot not in self._stick:
            self._stick[slot] = choose()
        return self._stick[slot]

    def egress(self, p, t, ip, ua, fetch):
        if not self.odd_on or not isinstance(p, Person) or p.farm:
            return ip
        rng, day = self.rng, int(t // DAY)
        phone = "Mobile" in ua
        if self.dual_day <= day < self.dual_day + 7 and p.home[1] == self.dual_city and ipaddress.ip_address(ip) in p.office.prefix:
            return ip if rng.random() < 0.5 else self.sticky(("dual", p.id), 6 * HOUR, t, lambda: self.dual_net.address(rng))
        if phone:
            if p.mobile.asn == self.nat64_asn and day >= self.nat64_day:
                return rng.choice(self.nat64).address(rng)
            return ip
        at_home = ip in p.lease.values()
        if p.sase is not None and day >= p.sase and not fetch:
            def pop():
                nets = self.pops[p.home[0]]
                return nets[0 if rng.random() < 0.85 else -1].address(rng)
            return self.sticky(("sase", p.id), 1.5 * HOUR, t, pop)
        if p.starlink is not None and day >= p.starlink and (at_home or ":" in ip):
            return self.sticky(("star", p.id), 3 * HOUR, t, lambda: rng.choice(p.star).address(rng))
        if p.relay is not None and day >= p.relay and (at_home or ":" in ip):
            a = rng.randrange(2)
            return self.sticky(("relay", p.id, a), 900, t, lambda: self.relays[p.home[0]][a].address(rng))
        if p.v6from is not None and day >= p.v6from and at_home and rng.random() < 0.5:
            return self.sticky(("v6", p.id), DAY, t, lambda: str(p.v6net.prefix.network_address + (p.v6site << 72) + rng.getrandbits(60) + 1))
        return ip

    def emit(self, t, event, who, session, ip, ua, outcome="success", account=None, **details):
        if self.living and isinstance(who, Staff):
            ip = self.egress(who, t, ip, ua, False)
            if session:
                s = self.stretches.setdefault(session, Stretch(session, who, t, ip, ua))
                s.end = max(s.end, t)
                s.ips.add(ip)
                s.logout = s.logout or event == "session.logout"
        return super().emit(t, event, who, session, ip, ua, outcome, account, **details)

    def download(self, t, user, ip, ua, target, rows, session="-", status=200):
        p = self.by_name.get(user) if self.living else None
        if p is not None:
            ip = self.egress(p, t, ip, ua, True)
            if p.scripted and "Mobile" not in ua:
                ua = p.scripted
        super().download(t, user, ip, ua, target, rows, session, status)

    def _login(self, p, t, ip, ua, force=False):
        if self.living and self.odd_on and self.sso <= t < self.sso + 2.5 * HOUR:
            rng = self.rng
            for _ in range(rng.randrange(2, 7)):
                self.emit(t, "session.login", p, None, ip, ua, outcome="failure", reason=rng.choice(("sso_error", "sso_error", "bad_password")))
                t += loguniform(rng, 20, 900)
            for _ in range(rng.choice((0, 0, 1, 2, 4, 6))):
                self.emit(t, "mfa.challenge", p, None, ip, ua, outcome="failure", method="push", result="timeout")
                t += rng.uniform(40, 200)
            if rng.random() < 0.3:  # tries it over the phone's hotspot
                hot = p.on_the_move()
                self.emit(t, "session.login", p, None, hot, ua, outcome="failure", reason="sso_error")
                ip = hot if rng.random() < 0.5 else ip
            t = max(t, self.sso + 2.5 * HOUR) + loguniform(rng, 5, 1500)
        return super()._login(p, t, ip, ua, force)

    # ------------------------------------------------------------------ honest life

    def live(self):
        self.living = True
        super().live()
        for day in range(self.days):
            for s in self.services:
                self._service_day(s, day)
        self.usual = [s for s in self.stretches.values() if s.end - s.begin > 5400]
        if self.odd_on:
            for name in sorted(n for n in dir(self) if n.startswith("odd_") and n != "odd_on"):
                getattr(self, name)()
        else:
            self.odd_resets()
        for p in self.people:  # what is odd in world.py already
            for what, first, last in (("new_laptop", p.new_laptop, 3), ("moved_home", p.moves, 14), ("new_hire", p.hired or None, 21)):
                if first is not None and first > 0:
                    self.note(what, p, first * DAY, (first + last) * DAY)
            if p.trip:
                self.note("trip", p, p.trip[0] * DAY, (p.trip[1] + 1) * DAY)
        self.living = False

    def _person_day(self, p, day):
        for span in (p.leave, p.holiday):
            if span and span[0] <= day < span[1]:
                return
        if p.cover and p.cover[0] <= day <= p.cover[1]:
            own, p.accounts = p.accounts, p.accounts + p.cover[2]
            try:
                return super()._person_day(p, day)
            finally:
                p.accounts = own
        if p.leave and day == p.leave[1]:
            p.laptop = Device(self.rng)
            p.isp = self.geo.pick_at(self.rng, p.home, "isp")
            p.remember(day)
        return super()._person_day(p, day)

    def _honest_reset(self, desk, day, t):
        self._resets.append((desk, day, t))

    def odd_resets(self):
        """The help desk resets a colleague's factor; the colleague enrols a new phone where he works, with the computer of that day."""
        rng = self.rng
        for desk, day, t in self._resets:
            other = rng.choice([q for q in self.people if q.hired < max(day, 1) and q.left is None and q is not desk and not q.leave])
            ip, ua = desk.office.address(rng), desk.ua(day)
            s, t = self._login(desk, t, ip, ua)
            if s is None:
                continue
            self.emit(t + rng.uniform(60, 600), "user.mfa_reset", desk, s, ip, ua, target=other.name)
            t += rng.uniform(900, 7200)
            place = other.home_ip(day) if other.remote else other.office.address(rng)
            s, t = self._login(other, t, place, other.ua(day))
            if s:
                self.emit(t + 30, "user.mfa_enrolled", other, s, place, other.ua(day), target=other.name)

    def service_export(self, t, s, session, ip, ua, account, first, last, kind, rows):
        job = self.ident("ex")
        self.emit(t, "log.export.requested", s["actor"], session, ip, ua, account=account, export=job, kind=kind,
                  **{"from": base.day_of(self, first), "to": base.day_of(self, last)}, **({"rows": rows} if self.rows else {}))
        wait = 1 + rows / 60000 + self.rng.random() * 8
        self.download(t + wait, s["actor"]["name"], ip, ua, f"/exports/{job}.csv", rows, session)
        return t + wait

    def _service_day(self, s, day):
        rng, who, ip, ua = self.rng, s["actor"], s["ip"], s["ua"]
        t = day * DAY + s["hour"] * HOUR + rng.gauss(0, 60)
        session = self.ident("s")
        self.emit(t, "session.login", who, session, ip, ua)
        if not s["exports"]:
            for _ in range(rng.randrange(8, 25)):
                t += rng.uniform(1, 40)
                self.emit(t, "settings.changed", who, session, ip, ua, account=rng.choice(self.accounts))
            return
        for account in s["accounts"]:
            t += rng.uniform(1, 6)
            self.emit(t, "log.query", who, session, ip, ua, account=account)
        for account in rng.sample(s["accounts"], 3):
            t = self.service_export(t + rng.uniform(2, 9), s, session, ip, ua, account, day - 1, day - 1, "sms", int(min(20000, self.size[account] / 25)) + 5)

    # ------------------------------------------------------------------ honest oddities that are acted out

    def sign_in(self, p, day, local, ip=None, ua=None):
        ip = ip or (p.home_ip(day) if p.remote else p.office.address(self.rng))
        ua = ua or p.ua(day)
        s, t = self._login(p, day * DAY + (local - p.tz) * HOUR, ip, ua, force=True)
        return s, t, ip, ua

    def at_work(self, role, day):
        pool = [p for p in self.plain if not p.trip or not p.trip[0] <= day <= p.trip[1]]
        return self.rng.choice([p for p in pool if p.role == role and p.hired == 0] or pool)

    def odd_quarter_end(self):
        """Account managers report a quarter's usage of their own customers on the first working days of the quarter."""
        rng = self.rng
        day = next((d for d in range(self.days) if (self.start + dt.timedelta(days=d)).day == 1 and (self.start + dt.timedelta(days=d)).month in (1, 4, 7, 10)), self.workday(25))
        for _ in range(5):
            d = min(self.days - 2, day + rng.randrange(0, 3))
            p = self.at_work("sales", d)
            s, t, ip, ua = self.sign_in(p, d, rng.uniform(9, 14))
            first = t
            for a in rng.sample(p.accounts, min(len(p.accounts), rng.randrange(8, 20))):
                t, _ = self.export(t + loguniform(rng, 60, 600), p, s, ip, ua, a, d - 90, d - 1, "sms", int(self.size[a] * 0.4) + 20)
            self.note("quarter_end", p, first - 60, t + 3 * HOUR, [ip])

    def odd_gdpr(self):
        """A customer asks for everything of a year: twelve months of one customer, by whoever does such requests."""
        rng = self.rng
        for _ in range(4):
            d = self.workday(14)
            p = self.at_work(rng.choice(("support", "support", "engineer")), d)
            a = rng.choice(p.accounts) if rng.random() < 0.4 else rng.choice(self.accounts)
            s, t, ip, ua = self.sign_in(p, d, rng.uniform(9, 15))
            first = t
            for m in range(12):
                for kind in ("sms", "voice")[: rng.choice((1, 2))]:
                    t, _ = self.export(t + loguniform(rng, 20, 400), p, s, ip, ua, a, d - 30 * (m + 1), d - 30 * m - 1, kind, int(self.size[a] * rng.uniform(0.5, 1.0)) + 10)
            self.note("gdpr_year", p, first - 60, t + 3 * HOUR, [ip], a)

    def odd_migration(self):
        """An announced migration: an engineer exports dozens of customers' last months in two days."""
        rng, d = self.rng, self.workday(16)
        p = self.at_work("engineer", d)
        for day in (d, d + 1):
            s, t, ip, ua = self.sign_in(p, day, rng.uniform(9, 11))
            first = t
            for a in rng.sample(self.accounts, rng.randrange(15, 35)):
                t, _ = self.export(t + loguniform(rng, 30, 400), p, s, ip, ua, a, day - 60, day - 1, rng.choice(("sms", "voice")), int(self.size[a] * 1.8) + 10)
            self.note("migration", p, first - 60, t + 3 * HOUR, [ip])

    def odd_integrations(self):
        """A new integration is set up by an engineer, tried, and filled with its history: one customer, or a group of four."""
        rng = self.rng
        for i in range(5):
            d = self.workday(12, self.days - 6)
            p = self.at_work("engineer", d)
            key = f"key-new-{i}{rng.randrange(100, 999)}"
            s, t, ip, ua = self.sign_in(p, d, rng.uniform(9, 15))
            self.emit(t + 200, "apikey.created", p, s, ip, ua, key=key)
            kip, tool = self.geo.pick(rng, rng.choice(("US", "DE", "NL")), "hosting").address(rng), rng.choice(TOOLS)
            accounts = rng.sample(self.accounts, rng.choice((1, 1, 2, 4)))
            t += rng.uniform(0.1, 2) * DAY
            self.note("new_integration", key, t - 60, t + DAY, [kip])
            for a in accounts:
                self.download(t, key, kip, tool, f"/api/v1/accounts/{a}/messages.csv", 0, status=401)
                t += rng.uniform(20, 400)
                self.api_pull(t, key, kip, tool, a, int(t // DAY) - 30, int(t // DAY) - 1, "sms", int(self.size[a]))
            for n in range(1, int(self.days - t / DAY)):
                for a in accounts:
                    self.api_pull(t + n * DAY + rng.gauss(0, 60), key, kip, tool, a, int(t // DAY) + n - 1, int(t // DAY) + n - 1, "sms", int(self.size[a] / 30) + 1)

    # ------------------------------------------------------------------ what intruders have in common

    def victim(self, role=None, min_day=12):
        pool = [p for p in self.people if p.hired <= 3 and p.left is None and not p.leave and not p.holiday and p.id not in self._used and p.role != "billing"]
        p = self.rng.choice([p for p in pool if role in (None, p.role)] or pool)
        self._used.add(p.id)
        return p

    def first_day(self, lasting=2, first=14):
        return max(10, min(self.attack_day(first=first), self.days - lasting - 1))

    def working(self, p, day):
        return day * DAY + (self.rng.uniform(p.shift, p.shift + 7) - p.tz) * HOUR

    def night(self, p, day):
        return day * DAY + ((self.rng.uniform(0.5, 4.5) - p.tz) % 24) * HOUR

    def look(self, t, p, s, ip, ua, n, gap=(4, 70), accounts=None):
        rng = self.rng
        for _ in range(n):
            t += loguniform(rng, *gap)
            self.emit(t, rng.choices(("page.view", "account.search", "log.query"), (6, 3, 2))[0], p, s, ip, ua, account=rng.choice(accounts or self.accounts))
        return t

    def take(self, t, p, s, ip, ua, accounts, gap, span=30, kind="mfa", share=1.0):
        done, rng = [], self.rng
        for a in accounts:
            t += loguniform(rng, *gap)
            day = int(t // DAY)
            rows = max(200, int(self.size[a] * span / 30 * rng.uniform(0.8, 1.1) * share))
            t, _ = self.export(t, p, s, ip, ua, a, day - span, day - 1, kind, rows)
            done.append((t, a, rows))
        return t, done

    def stretch(self, test=lambda s: True, first=14, last=3):
        """An honest session of somebody who is not a victim yet."""
        rng = self.rng
        pool = [s for s in self.usual if s.who.id not in self._used and isinstance(s.who, Person) and s.who.role != "billing" and s.who.hired <= 3
                and s.who.left is None and not s.who.leave and not s.who.farm and first * DAY <= s.begin < (self.days - last) * DAY and test(s)]
        s = rng.choice(pool or self.usual)
        self._used.add(s.who.id)
        return s

    def label(self, kind, who, start, end, sessions, ips, exports):
        horizon = self.days * DAY - 60
        super().label(kind, who, start, min(end, horizon), sessions, ips, [e for e in exports if e[0] < horizon])

    # ------------------------------------------------------------------ attacks

    def attack_aitm_one_customer(self):
        """Duo's supplier, April 2024: an employee is phished, and a month (1-31 March) of MFA message logs of *certain* customers is
        downloaded on one day. As adversary-in-the-middle kits do it: the login comes from the kit's server with the victim's own
        user agent, the session goes on from the intruder's address. One to three customers, no more."""
        rng, p, day = self.rng, self.victim(self.rng.choice(("support", "noc", "engineer"))), self.first_day()
        kit = self.geo.pick(rng, rng.choice((p.home[0], "NL", "US")), "hosting").address(rng)
        mine = self.geo.pick(rng, rng.choice((p.home[0], p.home[0], "NL", "RO", "BR")), rng.choice(("isp", "vpn"))).address(rng)
        ua = p.ua(day)
        ua2 = ua if rng.random() < 0.6 else Device(rng).ua(day)
        t0 = self.working(p, day)
        s, t = self._login(p, t0, kit, ua, force=True)
        self.emit(t + 3, "page.view", p, s, kit, ua)
        t = self.look(t + loguniform(rng, 100, 3000), p, s, mine, ua2, rng.randrange(3, 15))
        t, done = self.take(t, p, s, mine, ua2, self.prizes(rng.randrange(1, 4)), (30, 400))
        self.label("aitm_one_customer", p, t0, t, [s], [kit, mine], done)

    def attack_oktapus_search(self):
        """Twilio, August 2022 (0ktapus): text messages to many employees, credentials and codes relayed at once, several accounts
        in parallel from a few commercial-VPN exits, one browser of the intruders'. They looked 209 customers' records up in the
        internal tools; there is no bulk export."""
        rng, day = self.rng, self.first_day()
        gang = [self.victim("support") for _ in range(rng.randrange(3, 6))]
        ips = [self.geo.pick(rng, "US", rng.choice(("vpn", "isp"))).address(rng) for _ in range(2)]
        ua = Device(rng).ua(day)
        t0 = self.working(gang[0], day)
        done, sessions, end = [], [], t0
        for p in gang:
            ip = rng.choice(ips)
            s, t = self._login(p, t0 + loguniform(rng, 10, 5000), ip, ua, force=True)
            sessions.append(s)
            for a in rng.sample(self.accounts, rng.randrange(18, 45)):
                t += loguniform(rng, 15, 120)
                self.emit(t, "account.search", p, s, ip, ua, account=a)
                self.emit(t + 5, "page.view", p, s, ip, ua, account=a)
                if rng.random() < 0.4:
                    self.emit(t + 9, "log.query", p, s, ip, ua, account=a)
                done.append((t + 5, a, 60))
            end = max(end, t)
        self.label("oktapus_search", gang[0], t0, end, sessions, ips, sorted(done))

    def attack_oktapus_crowd(self):
        """The same campaign where it went well (0ktapus 2022: 9,931 accounts in 136 organisations, some 70 each): seven to ten of the staff in one
        afternoon, all from one or two exits with the intruders' one browser, one to three customers' month each. So many that
        whoever takes "new for many" for an office's move takes them for one."""
        rng, day = self.rng, self.first_day()
        gang = [self.victim(rng.choice(("support", "noc", "sales"))) for _ in range(rng.randrange(7, 11))]
        ips = [self.geo.pick(rng, "US", rng.choice(("vpn", "hosting", "isp"))).address(rng) for _ in range(rng.choice((1, 1, 2)))]
        ua, done, sessions, end = Device(rng).ua(day), [], [], 0
        t0 = self.working(gang[0], day)
        for p in gang:
            ip = rng.choice(ips)
            s, t = self._login(p, t0 + loguniform(rng, 10, 4000), ip, ua, force=True)
            sessions.append(s)
            t = self.look(t, p, s, ip, ua, rng.randrange(2, 8))
            t, got = self.take(t + 600, p, s, ip, ua, self.prizes(rng.randrange(1, 4)), (60, 900))
            done += got
            end = max(end, t)
        self.label("oktapus_crowd", gang[0], t0, end, sessions, ips, sorted(done))

    def attack_unauth_paging(self):
        """Authy, July 2024 (33 million numbers) and Optus 2022: an endpoint that asks nobody who they are is read page by page for
        days from a few addresses. No user, no session: only the access log has it."""
        rng, day = self.rng, self.first_day(4)
        ips = [self.geo.pick(rng, rng.choice(("US", "NL", "VN", "RU")), rng.choice(("hosting", "isp"))).address(rng) for _ in range(rng.choice((1, 3, 6)))]
        ua, t, done = rng.choice(TOOLS), day * DAY + rng.uniform(0, DAY), []
        t0, gap = t, rng.choice(((0.4, 2), (2, 15), (10, 60)))
        budget = rng.randrange(800, 2500)
        for a in rng.sample(self.accounts, 60):
            d, n = int(t // DAY), min(40, max(1, self.size[a] // 500))
            for page in range(1, n + 1):
                t += rng.uniform(*gap)
                self.download(t, "-", rng.choice(ips), ua, f"/api/v1/accounts/{a}/messages.csv?from={base.day_of(self, d - 30)}&to={base.day_of(self, d - 1)}&type=mfa&page={page}", 500)
                done.append((t, a, 500))
                budget -= 1
            if budget < 0:
                break
        self.label("unauth_paging", "-", t0, t, [], ips, done)

    def attack_okta_service(self):
        """Okta's support system, 28 September to 17 October 2023: a service account's password, saved in an employee's own Google
        profile, is used interactively from a VPN; for weeks case files are opened one by one, customer by customer, through another
        view than the usual one; at the end one report on everybody."""
        rng, day = self.rng, self.first_day(16)
        pool = [x for x in self.services if x["exports"] and x["actor"]["name"] not in self._used] or self.services[:1]
        s = rng.choice(pool)
        self._used.add(s["actor"]["name"])
        ip, device = self.geo.pick(rng, rng.choice(("US", "NL", "SG")), rng.choice(("vpn", "vpn", "hosting"))).address(rng), Device(rng)
        d, done, sessions, t0 = day, [], [], None
        while d < min(self.days - 2, day + 14):
            ua, session, t = device.ua(d), self.ident("s"), d * DAY + rng.uniform(6, 20) * HOUR
            t0 = t0 or t
            sessions.append(session)
            self.emit(t, "session.login", s["actor"], session, ip, ua)
            for a in rng.sample(self.accounts, rng.randrange(4, 12)):
                t += loguniform(rng, 20, 300)
                self.emit(t, "page.view", s["actor"], session, ip, ua, account=a)
                done.append((t, a, 60))
            d += rng.randrange(1, 4)
        for a in self.prizes(rng.randrange(8, 25)):
            rows = int(self.size[a] * rng.uniform(0.8, 1.1)) + 100
            t = self.service_export(t + loguniform(rng, 10, 90), s, session, ip, ua, a, d - 30, d - 1, "mfa", rows)
            done.append((t, a, rows))
        self.label("okta_service", s["actor"]["name"], t0, t, sessions, [ip], done)

    def attack_har_replay(self):
        """BeyondTrust, 1Password and Cloudflare, October 2023: the session cookie in a support file (HAR) is used within half an hour
        of its upload from a commercial VPN, while its owner has gone for lunch; a few acts, a report, gone."""
        rng = self.rng
        st = self.stretch(lambda s: not s.logout)
        p, day = st.who, int(st.end // DAY)
        ip = self.geo.pick(rng, rng.choice(("SG", "NL", "US", "GB")), "vpn").address(rng)
        ua = st.ua if rng.random() < 0.5 else Device(rng).ua(day)
        t0 = st.end + rng.uniform(300, 1800)
        t = self.look(t0, p, st.session, ip, ua, rng.randrange(3, 9))
        t, done = self.take(t, p, st.session, ip, ua, self.prizes(rng.randrange(1, 4)), (20, 200))
        self.label("har_replay", p, t0, t, [st.session], [ip], done)

    def attack_circleci_token(self):
        """CircleCI, December 2022: malware takes an engineer's single-sign-on cookie (behind a second factor); it is used from
        elsewhere with the same browser string, three days of looking around, then access tokens are made, which his role may, and
        the tokens read the stores."""
        rng = self.rng
        st = self.stretch(lambda s: s.who.role == "engineer" and not s.logout, last=6)
        p, ua = st.who, st.ua
        ip = self.geo.pick(rng, rng.choice((p.home[0], "NL", "US")), rng.choice(("hosting", "isp"))).address(rng)
        t0 = st.begin + rng.uniform(1800, max(3600, st.end - st.begin))
        t = self.look(t0, p, st.session, ip, ua, rng.randrange(8, 20))
        t = self.look(t + rng.uniform(0.6, 1.4) * DAY, p, st.session, ip, ua, rng.randrange(5, 15))
        t += rng.uniform(0.8, 1.6) * DAY
        key = f"key-tok-{rng.randrange(1000, 9999)}"
        self.emit(t, "token.created", p, st.session, ip, ua, key=key)
        ip2 = self.geo.pick(rng, rng.choice(("US", "NL", p.home[0])), "hosting").address(rng)
        t, done = t + loguniform(rng, 120, 9000), []
        for a in self.prizes(rng.randrange(5, 15)):
            t, d = t + loguniform(rng, 3, 90), int(t // DAY)
            rows = int(self.size[a] * rng.uniform(0.5, 1.0)) + 100
            self.api_pull(t, key, ip2, rng.choice(TOOLS[:2]), a, d - 30, d - 1, rng.choice(("mfa", "sms")), rows)
            done.append((t, a, rows))
        self.label("circleci_token", p, t0, t, [st.session, key], [ip, ip2], done)

    def attack_mailchimp_tool(self):
        """Mailchimp, March and August 2022 and January 2023: a support agent is phished; through the support tool 319 accounts are
        opened, and the lists of 102, nearly all of them crypto firms, exported. From a residential proxy in the agent's own city and
        provider, with the agent's own browser string."""
        rng, p, day = self.rng, self.victim("support"), self.first_day()
        ip, ua = rng.choice(self.geo.siblings(p.era(day)[1])).address(rng), p.ua(day)
        t0 = self.working(p, day)
        s, t = self._login(p, t0, ip, ua, force=True)
        done = []
        for a in rng.sample(self.accounts, rng.randrange(18, 40)):
            t += loguniform(rng, 25, 200)
            self.emit(t, "impersonation.start", p, s, ip, ua, account=a)
            self.emit(t + 8, "page.view", p, s, ip, ua, account=a)
            if rng.random() < 0.33:
                t, got = self.take(t + 10, p, s, ip, ua, [a], (4, 40), kind="sms")
                done += got
        self.label("mailchimp_tool", p, t0, t, [s], [ip], done)

    def attack_helpdesk_slow(self):
        """MGM 2023, Clorox 2023, M&S 2025 (Scattered Spider): the help desk resets the factor of somebody with rights; the intruder logs in at
        once through a residential address of that person's country with a new device, enrols a factor of their own, looks about for
        days, and takes the data days after the reset."""
        rng, day = self.rng, self.first_day(6)
        p = self.victim(rng.choice(("engineer", "noc", "support")))
        desk = rng.choice([q for q in self.people if q.role == "support" and q is not p and q.hired == 0 and q.left is None and not q.leave])
        t = self.working(desk, day)
        dip, dua = desk.office.address(rng), desk.ua(day)
        ds, t = self._login(desk, t, dip, dua, force=True)
        self.emit(t + 90, "user.mfa_reset", desk, ds, dip, dua, target=p.name)
        net, device = self.geo.pick_at(rng, p.home, "isp") if rng.random() < 0.6 else self.geo.pick(rng, p.home[0], "isp"), Device(rng)
        ip, sessions, t0 = net.address(rng), [], t + rng.uniform(600, 2400)
        s, t = self._login(p, t0, ip, device.ua(day), force=True)
        self.emit(t + 60, "user.mfa_enrolled", p, s, ip, device.ua(day), target=p.name)
        sessions.append(s)
        self.look(t + 100, p, s, ip, device.ua(day), rng.randrange(5, 20))
        last = day + rng.randrange(2, 5)
        for d in range(day + 1, last + 1):
            s, t = self._login(p, d * DAY + rng.uniform(0.2, 0.8) * DAY, ip, device.ua(d), force=True)
            sessions.append(s)
            t = self.look(t, p, s, ip, device.ua(d), rng.randrange(4, 16))
        t, done = self.take(t, p, s, ip, device.ua(last), self.prizes(rng.randrange(3, 10)), (30, 400))
        self.label("helpdesk_slow", p, t0, t, sessions, [ip], done)

    def attack_home_machine(self):
        """LastPass, August to October 2022: the home computer of one of four engineers is taken over, key strokes and all; for ten
        weeks the intruder works through it, at night: the address, the device and the second factor are the engineer's own."""
        rng, p = self.rng, self.victim("engineer")
        day = self.first_day(22)
        t0, sessions, done, ips = None, [], [], []
        for d in sorted(rng.sample(range(day, min(self.days - 1, day + 21)), rng.randrange(7, 11))):
            ip, ua = p.home_ip(d), p.ua(d)
            s, t = self._login(p, self.night(p, d), ip, ua, force=True)
            t0 = t0 or t
            t = self.look(t, p, s, ip, ua, rng.randrange(2, 8))
            t, got = self.take(t, p, s, ip, ua, self.prizes(rng.randrange(1, 3)), (60, 900), span=rng.choice((7, 14)))
            done += got
            sessions.append(s)
            ips.append(ip)
        self.label("home_machine", p, t0, t, sessions, ips, done)

    def attack_low_slow(self):
        """Syniverse, May 2016 to May 2021: somebody was in the message-routing company's systems for five years. Every few days, from
        one rented server, the last days of the same few customers, and nothing else."""
        rng, p = self.rng, self.victim()
        ip, device = self.geo.pick(rng, p.home[0], rng.choice(("hosting", "isp"))).address(rng), Device(rng)
        if rng.random() < 0.5:
            device = p  # whose browser it is given, updates and all
        targets, d = self.prizes(rng.randrange(2, 4)), rng.randrange(12, 18)
        t0, sessions, done, i = None, [], [], 0
        while d < self.days - 1:
            gap = rng.randrange(2, 5)
            s, t = self._login(p, self.working(p, d), ip, device.ua(d), force=True)
            t0 = t0 or t
            t = self.look(t, p, s, ip, device.ua(d), rng.randrange(2, 7), accounts=targets)
            t, got = self.take(t, p, s, ip, device.ua(d), [targets[i % len(targets)]], (30, 400), span=gap + 1)
            done += got
            sessions.append(s)
            d, i = d + gap, i + 1
        self.label("low_slow", p, t0, t, sessions, [ip], done)

    def attack_drift_oauth(self):
        """Salesloft Drift, 8-18 August 2025 (UNC6395): the tokens of an integration that serves hundreds of tenants are used from Tor and rented
        servers; first COUNT queries, customer by customer, then everything, from the integration's own customers."""
        rng, day = self.rng, self.first_day()
        k = rng.choice([q for q in self.big_keys if q["id"] not in self._used] or self.big_keys)
        self._used.add(k["id"])
        ip = k["net"].address(rng) if rng.random() < 0.5 else self.geo.pick(rng, rng.choice(("NL", "RO", "US")), "hosting").address(rng)
        ua = rng.choice(("python-requests/2.32.4", "Python/3.11 aiohttp/3.12.15", k["ua"]))
        t0 = t = day * DAY + rng.uniform(0, DAY * 0.7)
        for a in k["accounts"]:
            t += rng.uniform(0.5, 4)
            self.download(t, k["id"], ip, ua, f"/api/v1/accounts/{a}/messages/count?from={base.day_of(self, day - 30)}&to={base.day_of(self, day - 1)}", 1)
        t, done = t + loguniform(rng, 300, 20000), []
        for a in sorted(k["accounts"], key=lambda a: -self.size[a]):
            t += loguniform(rng, 2, 60)
            d, rows = int(t // DAY), int(self.size[a] * rng.uniform(0.8, 1.1)) + 50
            self.api_pull(t, k["id"], ip, ua, a, d - 30, d - 1, rng.choice(("sms", "mfa")), rows)
            done.append((t, a, rows))
        self.label("drift_oauth", k["id"], t0, t, [], [ip], done)

    def attack_slow_fatigue(self):
        """Uber, September 2022, and the patient form that Mandiant and Microsoft describe: prompts one by one, an hour or more apart (not in
        a flood), until one is approved; from a VPN, then a look at the internal tools and what they have."""
        rng, p, day = self.rng, self.victim(), self.first_day(3)
        ip, ua = self.geo.pick(rng, rng.choice((p.home[0], "GB", "NL")), rng.choice(("vpn", "isp"))).address(rng), Device(rng).ua(day)
        t0 = t = self.working(p, day) - 4 * HOUR
        for _ in range(rng.randrange(4, 9)):
            self.emit(t, "mfa.challenge", p, None, ip, ua, outcome="failure", method="push", result=rng.choice(("denied", "timeout", "timeout")))
            t += rng.uniform(2400, 7200)
        s, t = self._login(p, t, ip, ua, force=True)
        t = self.look(t, p, s, ip, ua, rng.randrange(10, 40))
        t, done = self.take(t, p, s, ip, ua, self.prizes(rng.randrange(2, 7)), (60, 600))
        self.label("slow_fatigue", p, t0, t, [s], [ip], done)

    # ------------------------------------------------------------------ writing

    def attacks(self, kinds, per_kind):
        if "none" in kinds or not kinds:
            return
        super().attacks(kinds, per_kind)

    def write(self, out):
        n = super().write(out)
        rng = random.Random(5)
        with open(os.path.join(out, "listed-networks.csv"), "a") as f:  # the list knows half of the relays, as such lists do
            for nets in getattr(self, "relays", {}).values():
                for net in nets:
                    if rng.random() < 0.5:
                        f.write(f"{net.prefix},vpn\n")
        with open(os.path.join(out, "honest.jsonl"), "w") as f:
            for row in self.honest:
                f.write(json.dumps(row) + "\n")
        if getattr(self, "messy", False):
            mess(out, random.Random(self.days * 31 + len(self.audit)))
        return n


def mess(out, rng):
    """Trails as they are: see the head of this file."""
    path = os.path.join(out, "portal-audit.jsonl")
    rows = []
    for i, line in enumerate(open(path)):
        try:
            rec = json.loads(line)
            t = dt.datetime.fromisoformat(rec["ts"].replace("Z", "+00:00")).timestamp()
        except ValueError:
            rows.append((rows[-1][0] if rows else 0, i, line))
            continue
        if rng.random() < 0.01:
            gone = rng.choice(("ua", "ip", "session", "account", "role"))
            if gone == "role" and isinstance(rec.get("actor"), dict):
                rec["actor"].pop("role", None)
            else:
                rec.pop(gone, None)
            line = json.dumps(rec, separators=(",", ":")) + "\n"
        rows.append((t + (rng.uniform(30, 1800) if rng.random() < 0.01 else 0), i, line))
        if rng.random() < 0.02:
            rows.append((t + loguniform(rng, 1, 900), i, line))
    rows.sort()
    with open(path, "w") as f:
        f.writelines(r[2] for r in rows)
    path = os.path.join(out, "download-access.log")
    stamp, rows = re.compile(r"\[([^\]]+)\]"), []
    for i, line in enumerate(open(path)):
        t = dt.datetime.strptime(stamp.search(line)[1], "%d/%b/%Y:%H:%M:%S %z") + dt.timedelta(seconds=40)
        line = stamp.sub("[" + t.strftime("%d/%b/%Y:%H:%M:%S +0000") + "]", line, count=1)
        if rng.random() < 0.01:
            line = re.sub(r"sid=\S+", "sid=-", line) if rng.random() < 0.5 else re.sub(r'"[^"]*"( rt=)', r'"-"\1', line)
        t = t.timestamp()
        rows.append((t + (rng.uniform(30, 1800) if rng.random() < 0.01 else 0), i, line))
        if rng.random() < 0.02:
            rows.append((t + loguniform(rng, 1, 900), i, line))
    rows.sort()
    with open(path, "w") as f:
        f.writelines(r[2] for r in rows)


KINDS = sorted({n[7:] for n in dir(Breach) if n.startswith("attack_") and n in vars(Breach)})


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--seed", type=int, default=11)
    ap.add_argument("--days", type=int, default=56)
    ap.add_argument("--staff", type=int, default=250)
    ap.add_argument("--accounts", type=int, default=400)
    ap.add_argument("--start", default="2026-03-01")
    ap.add_argument("--kinds", "--attacks", default="all", help="all, none, or some of: " + ", ".join(KINDS))
    ap.add_argument("--per-kind", type=int, default=2)
    ap.add_argument("--no-rows", action="store_true")
    ap.add_argument("--no-odd", action="store_true")
    ap.add_argument("--messy", action="store_true")
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    w = Breach(a.seed, a.days, a.staff, a.accounts, dt.datetime.fromisoformat(a.start).replace(tzinfo=base.UTC), not a.no_rows, not a.no_odd)
    w.messy = a.messy
    w.live()
    w.attacks({"all": KINDS, "none": []}.get(a.kinds, a.kinds.split(",")), a.per_kind)
    n = w.write(a.out)
    print(f"{n[0]} audit events, {n[1]} downloads, {n[2]} attacks, {len(w.honest)} oddities in {a.out}")


if __name__ == "__main__":
    main()
