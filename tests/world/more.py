#!/usr/bin/env python3
"""An independent examiner's world: further kinds of attacks in the provider of world.py, made messier by odd.py.

    python3 tests/world/more.py --seed 7 --out DIR [--attacks all | none | KIND,…] [--only-odd] [--per-kind 2] [--days 45] [--no-rows] …

The command line, the files and the labels are world.py's; `all` means the kinds below, and world.py's may be named beside them.
--only-odd makes no attacks. Who wrote this had not read how tripline detects, and nothing here may be tuned to that.
In a label, `sessions` also holds the name of a key or user that the intruder made: whoever names that has found the attack.
`exports` is what the intruder got, not what the victim took away in honest work meanwhile.

What each kind is modelled on:
    password_spray          Midnight Blizzard at Microsoft, November 2023: a password or two for each of many accounts, slowly
                            and from several residential addresses. One label for each account that is taken.
    guessing                plain guessing and stuffing against one account (ATT&CK T1110.001, .004)
    new_key                 credentials added for later (T1098.001); keys outlive the session and the password's change
    new_user                an account made by the intruder (T1136), as Lapsus$ did with administrators'
    impersonation           support consoles of Twitter in 2020 and Mailchimp in 2022 and 2023: customer after customer
    dormant                 an account that nobody uses any more (Colonial Pipeline, 2021)
    sleeper                 access bought and tried out, then left alone for ten days until detectors take it for usual
    list_reader             page after page of an ordinary list and no export at all (T-Mobile's API, January 2023)
    link_fetched_elsewhere  links to finished files read from a mailbox, a proxy's log or a HAR file, and fetched by another
    key_slow                a key leaked in a repository, used by somebody who rents a machine of the same cloud as its owner
    insider_slow            a bribed employee, one or two customers a day (support staff, Coinbase, 2025)
    travel                  phished credentials used on another continent while the victim is at work
    cookie_fanout           an infostealer's cookie, sold to several or used through rotating proxies (CircleCI, December 2022)
    night                   a residential proxy of the victim's country and a browser like the victim's, while the victim sleeps
"""
import sys

sys.dont_write_bytecode = True
from odd import Browser, Odd, Person  # noqa: E402
import world  # noqa: E402
from world import DAY, loguniform  # noqa: E402

FOREIGN = ["RO", "NL", "RU", "NG", "VN", "UA", "BR", "SG", "FR", "ES", "JP"]
CONTINENTS = {"US": "A", "CA": "A", "BR": "A", "GB": "E", "DE": "E", "FR": "E", "ES": "E", "RO": "E", "NL": "E", "RU": "E", "UA": "E",
              "PH": "S", "JP": "S", "SG": "S", "VN": "S", "NG": "F"}
ORIGINS = ("foreign_hosting", "foreign_vpn", "foreign_isp", "foreign_mobile", "home_hosting", "home_vpn", "home_isp", "home_mobile")
PACES = ((2, 15), (20, 120), (120, 900), (900, 5400))  # seconds between two exports


class More(Odd):
    # -- what intruders have in common

    def victim(self, role=None):
        """Somebody who was there all the time and has not been attacked yet; not billing, as in world.py."""
        pool = [p for p in self.people if p.steady and p.id not in self._used and p.role != "billing"]
        p = self.rng.choice([p for p in pool if role in (None, p.role)] or pool or self.people)
        self._used.add(p.id)
        return p

    def first_day(self, lasting=2):
        """The day on which an attack of so many days begins: late enough for the honest days before it to be known."""
        return max(1, min(self.attack_day(), self.days - lasting))

    def origin(self, p, *styles):
        """The network that an intruder comes from."""
        where, kind = self.rng.choice(styles or ORIGINS).split("_")
        country = p.home[0] if where == "home" else self.rng.choice([c for c in FOREIGN if c != p.home[0]])
        return self.geo.pick(self.rng, country, kind)

    def browser(self, p, alike=0.35):
        """The intruder's browser, which may be given the victim's user agent."""
        return p.laptop if self.rng.random() < alike else Browser(self.rng, self.jump_day)

    def moment(self, p, day):
        """A time of this day: the victim's working hours, the night, or any."""
        rng, style = self.rng, self.rng.choice(("work", "night", "any"))
        local = {"work": rng.uniform(p.shift, p.shift + 7), "night": rng.uniform(0, 5), "any": rng.uniform(0, 24)}[style]
        return day * DAY + (local - p.tz_on(day)) * 3600

    def targets(self, p, low, high):
        """Customers to take: the large ones, any, or some of the victim's own first."""
        rng = self.rng
        n, style = rng.randrange(low, high), rng.choice(("prizes", "prizes", "any", "own"))
        own = rng.sample(p.accounts, min(len(p.accounts), n // 2)) if style == "own" else []
        rest = rng.sample(self.accounts, min(n, len(self.accounts))) if style == "any" else self.prizes(n)
        return (own + [a for a in rest if a not in own])[:n]

    def look_around(self, t, p, s, ip, ua, n):
        rng = self.rng
        for _ in range(n):
            t += loguniform(rng, 4, 90)
            event = rng.choices(("page.view", "account.search", "log.query"), (6, 3, 2))[0]
            self.emit(t, event, p, s, ip, ua, account=rng.choice(self.accounts))
        return t

    def take_of(self, account, span):
        return max(100, int(self.size[account] * span / 30 * self.rng.uniform(0.8, 1.1)))

    def haul(self, t, p, s, ip, ua, accounts, pace=None):
        """Exports of customer after customer: (time, what was got). Some take a month of each, some a modest day or two."""
        rng, done = self.rng, []
        pace, looks = pace or rng.choice(PACES), rng.random()
        kind, span = rng.choices(("mfa", "sms", "voice"), (6, 3, 1))[0], rng.choices((30, 14, 7, 2), (5, 2, 2, 2))[0]
        for account in accounts:
            t += rng.uniform(*pace)
            if rng.random() < looks:
                self.emit(t - 2, "page.view", p, s, ip, ua, account=account)
            day, rows = int(t // DAY), self.take_of(account, span)
            t, _ = self.export(t, p, s, ip, ua, account, day - span, day - 1, kind, rows)
            done.append((t, account, rows))
        return t, done

    def log_in(self, p, t, ip, ua):
        return self._login(p, t, ip, ua, force=True)

    def usual_of(self, p, low, high):
        """Honest stretches of work of this person within days, in order."""
        return sorted((s for s in self.usual if s.who is p and low * DAY <= s.begin < high * DAY), key=lambda s: s.begin)

    def stretch_of_somebody(self):
        """An honest stretch of work of a victim, as a thief finds it going on."""
        for _ in range(50):
            p, day = self.victim(), self.first_day()
            found = self.usual_of(p, day - 3, day + 4)
            if found:
                return p, self.rng.choice(found)
            self._used.discard(p.id)
        sys.exit("nobody is at work: more --staff or --days are needed")

    def label(self, kind, who, start, end, sessions, ips, exports):
        horizon = self.days * DAY - 60  # what would come after the last day is not written
        super().label(kind, who, start, min(end, horizon), sessions, ips, [e for e in exports if e[0] < horizon])

    # -- getting in

    def attack_password_spray(self):
        rng, day = self.rng, self.first_day(4)
        names = [p for p in self.people if p.hired <= day]
        names = rng.sample(names, max(1, int(len(names) * rng.uniform(0.3, 0.95))))
        unknown = [{"id": None, "name": f"{c}.{rng.choice(world.SURNAMES)}@provider.example", "type": "unknown", "role": None}
                   for c in rng.sample("abcdefgh", rng.randrange(0, 8))]
        taken = [self.victim() for _ in range(rng.randrange(1, 4))]
        stranger = taken[0]
        foreign = [style for style in ORIGINS if style.startswith("foreign")]
        nets = [self.origin(stranger, *foreign) for _ in range(rng.choice((1, 1, 3, 8, 20)))]
        ips, ua = [n.address(rng) for n in nets], Browser(rng, self.jump_day).ua(day)
        gap = rng.choice(((0.3, 2), (5, 40), (120, 600)))
        start = t = self.moment(stranger, day)
        for _ in range(rng.choice((1, 1, 2))):
            for who in rng.sample(names + unknown, len(names) + len(unknown)):
                if who not in taken:
                    self.emit(t, "session.login", who, None, rng.choice(ips), ua, outcome="failure", reason="bad_password")
                    t += rng.uniform(*gap)
            t += rng.uniform(1800, 7200)
        for p in taken:
            ip = rng.choice(ips) if rng.random() < 0.6 else self.origin(p).address(rng)
            self.emit(rng.uniform(start, t - 1800), "session.login", p, None, rng.choice(ips), ua, outcome="failure", reason="bad_password")
            s, t1 = self.log_in(p, t + loguniform(rng, 30, 60000), ip, ua)
            end, done = self.haul(t1, p, s, ip, ua, self.targets(p, 3, 15))
            self.label("password_spray", p, start, end, [s], [*ips, ip], done)

    def attack_guessing(self):
        rng, p, day = self.rng, self.victim(), self.first_day(4)
        ips = [self.origin(p).address(rng) for _ in range(rng.choice((1, 1, 4, 12)))]
        ua, gap = Browser(rng, self.jump_day).ua(day), rng.choice(((0.5, 3), (4, 30), (200, 1500)))
        start = t = self.moment(p, day)
        for _ in range(rng.randrange(25, 200)):
            self.emit(t, "session.login", p, None, rng.choice(ips), ua, outcome="failure", reason="bad_password")
            t += rng.uniform(*gap)
        ip = rng.choice(ips)
        s, t = self.log_in(p, t, ip, ua)
        t, done = self.haul(t + loguniform(rng, 5, 8000), p, s, ip, ua, self.targets(p, 3, 15))
        self.label("guessing", p, start, t, [s], ips, done)

    def attack_dormant(self):
        """An account of somebody who has left, or who had not logged in for a month and more."""
        rng = self.rng
        gone = [p for p in self.people if p.left is not None and p.id not in self._used] or [p for p in self.people if p.left is not None]
        p = rng.choice(gone)
        self._used.add(p.id)
        day = min(self.days - 2, p.left + rng.randrange(31, max(32, self.days - p.left - 1)))
        ip, ua = self.origin(p).address(rng), self.browser(p).ua(day)
        start = self.moment(p, day)
        s, t = self.log_in(p, start, ip, ua)
        t, done = self.haul(t, p, s, ip, ua, self.targets(p, 3, 20))
        self.label("dormant", p, start, t, [s], [ip], done)

    def attack_sleeper(self):
        rng, p, day = self.rng, self.victim(), self.first_day(16)
        net, device = self.origin(p), self.browser(p)
        keeps = rng.random() < 0.6
        ip, ips, sessions, start = net.address(rng), [], [], None
        for d in [day, *sorted(rng.sample(range(day + 2, day + 10), rng.randrange(1, 4)))]:
            s, t = self.log_in(p, self.moment(p, d), ip, device.ua(d))
            start = t if start is None else start
            self.look_around(t, p, s, ip, device.ua(d), rng.randrange(4, 25))
            sessions.append(s)
            ips.append(ip)
            ip = ip if keeps else net.address(rng)
        last = min(self.days - 2, day + rng.randrange(10, 15))
        s, t = self.log_in(p, self.moment(p, last), ip, device.ua(last))
        t, done = self.haul(t, p, s, ip, device.ua(last), self.targets(p, 8, 40))
        self.label("sleeper", p, start, t, [*sessions, s], [*ips, ip], done)

    def attack_travel(self):
        """The victim is seen at home within the hour before and after."""
        rng = self.rng
        p, stretch = self.stretch_of_somebody()
        far = [c for c in CONTINENTS if CONTINENTS[c] != CONTINENTS[p.home[0]]]
        ip = self.geo.pick(rng, rng.choice(far), rng.choice(("isp", "mobile", "hotel", "hosting"))).address(rng)
        start = rng.uniform(stretch.begin + 300, stretch.end - 1800)
        ua = self.browser(p).ua(int(start // DAY))
        s, t = self.log_in(p, start, ip, ua)
        t, done = self.haul(t, p, s, ip, ua, self.targets(p, 2, 12))
        self.label("travel", p, start, t, [s], [ip], done)

    def attack_cookie_fanout(self):
        """One live session from several addresses in turn, while its owner works on."""
        rng = self.rng
        p, stretch = self.stretch_of_somebody()
        style = rng.choice(ORIGINS)
        places = [(self.origin(p, style).address(rng), self.browser(p, 0.7).ua(int(stretch.begin // DAY))) for _ in range(rng.randrange(2, 9))]
        start = t = rng.uniform(stretch.begin + 600, stretch.end - 1200)
        pace, done, accounts = rng.choice(PACES[:3]), [], self.targets(p, 3, 20)
        for i, account in enumerate(accounts):
            ip, ua = places[i % len(places)] if i < len(places) else rng.choice(places)
            self.look_around(t, p, stretch.session, ip, ua, rng.randrange(0, 3))
            t, got = self.haul(t, p, stretch.session, ip, ua, [account], pace)
            done += got
        self.label("cookie_fanout", p, start, t, [stretch.session], [ip for ip, _ in places[:len(accounts)]], done)

    def attack_night(self):
        rng, p, day = self.rng, self.victim(), self.first_day()
        net = rng.choice([n for n in self.geo.by_kind[(p.home[0], "isp")] if n.place == p.home] or [p.isp])
        ip, ua = net.address(rng), p.laptop.ua(day)
        start = day * DAY + (3 + rng.gauss(0, 0.4) - p.tz_on(day)) * 3600
        s, t = self.log_in(p, start, ip, ua)
        t = self.look_around(t, p, s, ip, ua, rng.randrange(0, 10))
        own = rng.sample(p.accounts, rng.randrange(2, 6))
        mixed = [*own, *(a for a in self.targets(p, 2, 9) if a not in own)]
        t, done = self.haul(t, p, s, ip, ua, rng.sample(mixed, len(mixed)), rng.choice(PACES[1:3]))
        self.label("night", p, start, t, [s], [ip], done)

    # -- staying in

    def attack_new_key(self):
        rng, p, day = self.rng, self.victim(self.rng.choice(("engineer", "support"))), self.first_day(10)
        ip, ua = self.origin(p).address(rng), self.browser(p).ua(day)
        start = self.moment(p, day)
        s, t = self.log_in(p, start, ip, ua)
        t = self.look_around(t, p, s, ip, ua, rng.randrange(0, 12))
        key = self.new_key_id()
        self.emit(t + 30, "apikey.created", p, s, ip, ua, key=key, scope="messages:read")
        puller, tool = self.geo.pick(rng, rng.choice([*FOREIGN, "US", "DE"]), "hosting").address(rng), rng.choice(world.TOOLS)
        nightly, done = rng.random() < 0.4, []
        begin = day + rng.randrange(2, 7)
        accounts = self.targets(p, 5, 30)
        t = begin * DAY + rng.uniform(0, DAY)
        for i, account in enumerate(accounts):
            if nightly and i and i % 5 == 0:  # a few a night, at the hour of the first
                t = (int(t // DAY) + 1) * DAY + t % DAY + rng.gauss(0, 60)
            t, d = t + loguniform(rng, 2, 120), int(t // DAY)
            rows = self.take_of(account, 30)
            self.api_pull(t, key, puller, tool, account, d - 30, d - 1, rng.choice(("mfa", "sms")), rows)
            done.append((t, account, rows))
        self.label("new_key", key, start, t, [s, key], [ip, puller], done)

    def attack_new_user(self):
        rng, p, day = self.rng, self.victim("engineer"), self.first_day(8)
        ip, ua = self.origin(p).address(rng), self.browser(p).ua(day)
        start = self.moment(p, day)
        s, t = self.log_in(p, start, ip, ua)
        made = Person(self, len(self.people) + 10 + len(self.truth))
        made.role, made.hired, made.trip = rng.choice(("support", "engineer", "noc")), day, None
        self.emit(t + 60, "user.created", p, s, ip, ua, target=made.name, role=made.role)
        if rng.random() < 0.5:
            made.role = "engineer"
            self.emit(t + 90, "user.role_changed", p, s, ip, ua, target=made.name, role=made.role)
        t += loguniform(rng, 1200, 4 * DAY)
        elsewhere, device = self.origin(p).address(rng), Browser(rng, self.jump_day)
        ua = device.ua(int(t // DAY))
        s2, t = self.log_in(made, t, elsewhere, ua)
        t, done = self.haul(t, made, s2, elsewhere, ua, self.targets(made, 4, 20))
        self.label("new_user", made, start, t, [s, s2, made.name], [ip, elsewhere], done)

    # -- taking it in other ways

    def attack_impersonation(self):
        rng, p, day = self.rng, self.victim("support"), self.first_day()
        ip, ua = self.origin(p).address(rng), self.browser(p).ua(day)
        start = self.moment(p, day)
        s, t = self.log_in(p, start, ip, ua)
        pace, share, done = rng.choice(PACES[:3]), rng.uniform(0.3, 1.0), []
        for account in self.targets(p, 8, 35):
            t = self.impersonate(t + rng.uniform(*pace), p, s, ip, ua, account)
            if rng.random() < share:
                t, got = self.haul(t - 9, p, s, ip, ua, [account], (1, 8))
                done += got
        self.label("impersonation", p, start, t, [s], [ip], done)

    def attack_list_reader(self):
        """By log.query's pages in the portal, or by ?page= at the download endpoint."""
        rng, p, day = self.rng, self.victim(), self.first_day()
        ip, ua = self.origin(p).address(rng), self.browser(p).ua(day)
        start = self.moment(p, day)
        s, t = self.log_in(p, start, ip, ua)
        portal, gap, done = rng.random() < 0.5, rng.choice(((0.5, 3), (3, 12), (15, 60))), []
        for account in self.targets(p, 6, 30):
            rows = min(self.take_of(account, 14), 8000)
            size = 100 if portal else 500
            for page, at in enumerate(range(0, rows, size), 1):
                t, n = t + rng.uniform(*gap), min(size, rows - at)
                if portal:
                    self.emit(t, "log.query", p, s, ip, ua, account=account, kind="mfa", page=page, per_page=size)
                else:
                    d = int(t // DAY)
                    target = f"from={world.day_of(self, d - 14)}&to={world.day_of(self, d - 1)}&type=mfa&page={page}"
                    self.download(t, p.name, ip, ua, f"/api/v1/accounts/{account}/messages.csv?{target}", n, s)
                done.append((t, account, n))
        self.label("list_reader", p, start, t, [s], [ip], done)

    def attack_link_fetched_elsewhere(self):
        """Several of the files that one person asked for in honest work, fetched by somebody else."""
        rng = self.rng
        for _ in range(50):
            p, day = self.victim(rng.choice(("support", "noc", "engineer"))), self.first_day(8)
            jobs = sorted((j for j in self.jobs if j[1] is p and day * DAY <= j[0] < (self.days - 1) * DAY), key=lambda j: j[0])
            jobs = jobs[: rng.randrange(3, 12)]
            if len(jobs) > 2:
                break
            self._used.discard(p.id)
        else:
            sys.exit("nobody exports: more --staff or --days are needed")
        who = rng.choice(("own session", "no session", "another user"))
        other = self.victim() if who == "another user" else p
        net, device = self.origin(other), self.browser(p, 0.5)
        ip, sessions, start, last = net.address(rng), [], None, 0
        late, done, ips = rng.choice(((5, 90), (600, 7200), (3600, 2 * DAY))), [], []
        for at, _, session, _, _, account, job, rows in jobs:
            t = max(last + rng.uniform(60, 600), at + loguniform(rng, *late))
            ua, sid = device.ua(int(t // DAY)), session if who == "own session" else "-"
            if who == "another user":
                sid, t = self.log_in(other, t, ip, ua)
            start = t if start is None else start
            self.download(t, other.name, ip, ua, f"/exports/{job}.csv", rows, sid)
            sessions.append(sid if sid != "-" else None)
            done.append((t, account, rows))
            ips.append(ip)
            last, ip = t, ip if rng.random() < 0.7 else net.address(rng)
        self.label("link_fetched_elsewhere", other, start, last, sessions, ips, done)

    def attack_key_slow(self):
        """Day by day a few days of history more, of the key's own customers, from a neighbour of its own machine."""
        rng, long = self.rng, self.rng.randrange(8, 20)
        still = [k for k in self.keys if k["id"] not in self._used and not k["moves"] and not {"cloud", "outage", "since"} & k.keys()] or self.keys
        by_ip = {k["id"]: next(n for n in self.geo.nets if world.ipaddress.ip_address(k["ip"]) in n.prefix) for k in still}
        wide = [k for k in still if len(self.geo.siblings(by_ip[k["id"]], anywhere=True)) > 1]
        k = rng.choice(wide or still)
        self._used.add(k["id"])
        net = by_ip[k["id"]]
        net = rng.choice([n for n in self.geo.siblings(net, anywhere=True) if n is not net] or [net])
        ip, tool = net.address(rng), k["ua"] if rng.random() < 0.5 else rng.choice(world.TOOLS)
        hour = k["hour"] if rng.random() < 0.4 else rng.randrange(24)
        day, back, done, start = self.first_day(long + 1), 1, [], None
        for d in range(day, min(self.days - 1, day + long)):
            t = d * DAY + hour * 3600 + rng.gauss(0, 900)
            start = t if start is None else start
            span = rng.randrange(2, 8)
            for account in k["accounts"]:
                t, rows = t + loguniform(rng, 5, 300), int(self.size[account] * span / 20 * rng.uniform(0.8, 1.2)) + 1
                self.api_pull(t, k["id"], ip, tool, account, day - back - span, day - back, "sms", rows)
                done.append((t, account, rows))
            back += span
        self.label("key_slow", k["id"], start, t, [], [ip], done)

    def attack_insider_slow(self):
        """Within honest sessions, from where they are held, one or two customers of others a day."""
        rng, p = self.rng, self.victim(self.rng.choice(("support", "sales", "noc")))
        day = self.first_day(15)
        strange = [a for a in self.prizes(60) if a not in p.accounts]
        self.rng.shuffle(strange)
        days, done, sessions, ips, start, t = {}, [], [], [], None, None
        for s in self.usual_of(p, day, day + 14):
            days.setdefault(int(s.begin // DAY), s)
        for s in days.values():
            t = rng.uniform(s.begin + 600, s.end - 900)
            start = t if start is None else start
            for _ in range(rng.randrange(1, 3)):
                t, got = self.haul(t, p, s.session, s.ip, s.ua, [strange.pop()] if strange else [], (10, 400))
                done += got
            sessions.append(s.session)
            if s.ip == p.lease.get(int(s.begin // DAY) // p.lease_days):  # an office's or a gateway's address is many people's
                ips.append(s.ip)
        if done:
            self.label("insider_slow", p, start, t, sessions, ips, done)


KINDS = [n[7:] for n in dir(More) if n.startswith("attack_") and n != "attack_day" and n in vars(More)]


def main():
    if {"-h", "--help"} & {*sys.argv[1:]}:
        print(__doc__)
    if "--only-odd" in sys.argv:
        at = sys.argv.index("--only-odd")
        sys.argv[at:at + 1] = ["--attacks", "none"]
    world.main(More, KINDS)


if __name__ == "__main__":
    main()
