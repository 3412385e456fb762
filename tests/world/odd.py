"""The honest life of a messier provider than world.py's: what happens to honest people, none of it labelled.

Beside world.py's own ordinary life there are always, on days that the seed decides:

    carrier     a mobile carrier moves all its users to other prefixes and another AS on one day (mergers; new CGNAT
                ranges, which in some worlds no database knows yet)
    office      an office moves to a line of another provider in the same city
    conference  a dozen people spend a week in the hotels of one city
    browsers    everybody's browser jumps two versions within days (a fleet update after a freeze)
    migration   three support people and a manager export ten customers and more each on one day, twice
    audit       for a week one noc person exports a month of many customers (a regulator or auditor asked)
    leave       people are back from five weeks' leave; others log in once in a fortnight only, some left for good
    hires       ten people start on one day; a contractor works who stands in no staff list
    fingers     6 to 10 wrong passwords, then the right one from the usual place (the password was changed yesterday)
    kiosk       one shared machine at one address for many people; a bought VPN service, some of it listed, for others
    clocks      daylight saving time begins or ends: shifts move by an hour, in each country on its own day
    on call     an engineer at home exports large files at night while an incident runs
    nights      somebody catches up at three in the morning, from home (a sick child, a deadline)
    clouds      a key moves with its integration to another cloud, and another has its tool replaced
    outage      a key is silent for days and then fetches twenty days, one by one
    keys        engineers create keys, which days later begin to pull from networks not seen before; some keys read page by page
    relay       some people's phones go out through a relay whose country changes from session to session (as iCloud Private
                Relay and browsers' built-in VPNs do), while the laptop stays at home
    release     after a portal release user agents carry one more token
    desk        support impersonates single customers every week, and once a dozen in a row to check a release; queries are
                paged; the link of an export is opened again on another device; accounts are created and change roles
"""
import datetime as dt
import os
import sys
import zlib

sys.dont_write_bytecode = True  # nothing is to lie beside the sources
import world  # noqa: E402
from world import DAY, Device, Net, Staff, World, loguniform  # noqa: E402

COUNTRIES = list(dict.fromkeys(p[0] for p in world.PLACES))
AMERICA, EUROPE = ("US", "CA"), ("GB", "DE", "FR", "ES", "RO", "NL", "UA")
# prefixes that no geography names
UNKNOWN = ["171.20.0.0/18", "171.20.64.0/18", "171.20.128.0/18"]


class Browser(Device):
    """A browser that jumps two versions on one day."""

    def __init__(self, rng, jump, **more):
        super().__init__(rng, **more)
        self.jump = jump

    def ua(self, day):
        return super().ua(day + 56 if day >= self.jump else day)


class Person(Staff):
    """A member of staff to whom more happens."""

    leave = seldom = bought_vpn = None
    relay = kiosk = False

    @property
    def steady(self):
        """Whether this person was there all the time, with the same home and laptop: what is known now held then too."""
        return not (self.hired or self.left or self.leave or self.seldom or self.moves or self.new_laptop)

    def __init__(self, world, index):
        super().__init__(world, index)
        rng = world.rng
        self.jump = world.jump_day + rng.randrange(4)
        self.laptop, self.phone = Browser(rng, self.jump), Browser(rng, self.jump, phone=True)
        self.standard_tz = self.tz

    def settle(self, day):
        super().settle(day)
        w = self.world
        if not isinstance(self.laptop, Browser):
            self.laptop = Browser(w.rng, self.jump)
        self.tz = self.tz_on(day)
        if day >= w.carrier_day and self.mobile.asn == w.carrier:
            self.mobile = w.rng.choice(w.carrier_after)
        if day >= w.office_day and self.home[1] == w.office_city:
            self.office = w.office_after

    def tz_on(self, day):
        return self.standard_tz + sum(step for turn, step in self.world.clocks.get(self.home[0], ()) if turn <= day)

    def on_the_move(self):
        if self.mobile.kind == "unknown":
            return self.world.rng.choice(self.world.carrier_after).address(self.world.rng)
        return super().on_the_move()

    def place_of_work(self, day):
        rng, w = self.world.rng, self.world
        x = rng.random()
        if self.trip and self.trip[0] <= day <= self.trip[1]:
            return super().place_of_work(day)
        if self.relay and x < 0.2:
            return w.geo.pick(rng, rng.choice(COUNTRIES), "hosting").address(rng), self.phone
        if self.kiosk and x < 0.3 and day >= w.kiosk_day:
            return w.kiosk_ip, w.kiosk
        if self.bought_vpn and x < 0.4 and day >= w.vpn_day:
            return self.bought_vpn.address(rng), self.laptop
        return super().place_of_work(day)

    def usual_ip(self, day):
        """Where this person mostly works, on any day, whatever has been settled since."""
        w = self.world
        moved = day >= w.office_day and self.home[1] == w.office_city
        return self.home_ip(day) if self.remote else (w.office_after if moved else w.offices[self.home[1]]).address(w.rng)


class Stretch:
    """One honest session as the trails show it: whose, from when to when, whence; `moved` if the address changed."""

    def __init__(self, session, who, t, ip, ua):
        self.session, self.who, self.begin, self.end, self.ip, self.ua, self.moved = session, who, t, t, ip, ua, False


class Odd(World):
    """world.py's provider with the oddities named above; `happened` lists them as (day, text)."""

    def __init__(self, seed, days, staff, accounts, start, rows=True):
        super().__init__(seed, days, staff, accounts, start, rows)
        self.happened, self.stretches, self.jobs, self.carrying, self.living = [], {}, [], {}, False
        self.key_numbers = self.rng.sample(range(10, 1000), 200)
        self.jump_day = self.some_day(0.3, 0.8, "browsers jump two versions")
        self.people = [Person(self, i) for i in range(staff)]
        self.clocks = {c: self._turns(c) for c in COUNTRIES}
        self._plan_places()
        self._plan_people()
        self._plan_keys()

    # -- what is going to happen

    def some_day(self, low, high, text):
        """A day between two shares of the world's days."""
        first = int(self.days * low)
        day = self.rng.randrange(first, max(first + 1, int(self.days * high)))
        self.happened.append((day, text))
        return day

    def _turns(self, country):
        """The days on which the clocks are turned, with the hours."""
        def sunday(year, month, which):
            first = dt.date(year, month, 1)
            sundays = [d for d in (first + dt.timedelta(days=i) for i in range(31)) if d.month == month and d.weekday() == 6]
            return (sundays[which] - self.start.date()).days
        rule = ((3, 1, 11, 0) if country in AMERICA else (3, -1, 10, -1)) if country in AMERICA + EUROPE else None
        years = (self.start.year, self.start.year + 1) if rule else ()
        turns = [turn for y in years for turn in ((sunday(y, *rule[:2]), 1), (sunday(y, *rule[2:]), -1))]
        return [(day, step) for day, step in turns if 0 < day < self.days]

    def _plan_places(self):
        rng, geo = self.rng, self.geo
        old = rng.choice(self.people).mobile
        self.carrier, self.carrier_day = old.asn, self.some_day(0.3, 0.8, f"carrier {old.org} moves its users")
        others = [n for n in geo.by_kind[(old.place[0], "mobile")] if n.asn != old.asn]
        unknown = [Net(prefix, old.place, 0, "unknown", "unknown") for prefix in UNKNOWN]
        self.carrier_after = unknown if rng.random() < 0.5 else others
        self.office_city = rng.choice([p.home[1] for p in self.people])
        self.office_day = self.some_day(0.3, 0.8, f"the office in {self.office_city} moves")
        place = self.offices[self.office_city].place
        line = geo.pick_at(rng, place, "isp")
        block = list(line.prefix.subnets(new_prefix=27))[rng.randrange(512)]
        self.office_after = Net(block, place, line.asn, line.org, "office")
        city = rng.choice([p.home[1] for p in self.people])
        self.kiosk, self.kiosk_ip = Browser(rng, self.jump_day), self.offices[city].address(rng)
        self.kiosk_day = self.some_day(0.1, 0.7, f"a shared machine in {city}")
        self.vpn_day = self.some_day(0.2, 0.7, "a bought VPN service for some")
        self.release_day = self.some_day(0.3, 0.9, "a portal release: user agents carry one more token")
        for p in self.people:
            p.kiosk = p.home[1] == city and not p.remote

    def _plan_people(self):
        rng = self.rng
        free = rng.sample([p for p in self.people if p.hired == 0], max(0, len(self.people) * 4 // 5))
        take = lambda n: [free.pop() for _ in range(min(n, len(free) // 3))]  # noqa: E731
        first = self.some_day(0.2, 0.7, "a conference")
        venue = rng.choice(world.PLACES)
        for p in take(12):
            p.trip = (first, first + rng.choice((3, 4, 5)), venue)
        for p in take(3):
            begin = rng.randrange(1, max(2, self.days // 9))
            p.leave = (begin, begin + 35)
            self.happened.append((begin + 35, f"{p.name} is back from leave"))
        for p in take(4):
            p.seldom = rng.randrange(1, 14)
        for p in take(6):
            p.left = rng.randrange(2, max(3, self.days // 6))
            self.happened.append((p.left, f"{p.name} has left"))
        self.hire_day = self.some_day(0.2, 0.7, "ten people start")
        self.hires = take(10)
        for p in self.hires:
            p.hired, p.trip = self.hire_day, None
        for p in take(5):
            p.relay = True
        for p in take(12):
            country = p.home[0] if rng.random() < 0.7 else "NL"
            p.bought_vpn = self.geo.pick(rng, country, "vpn")
        self.contractor = Person(self, len(self.people) + 1)
        self.contractor.hired, self.contractor.trip = self.some_day(0.2, 0.8, "a contractor starts, in no staff list"), None

    def new_key_id(self):
        return f"key-x-{self.key_numbers.pop():03d}"

    def _plan_keys(self):
        rng = self.rng
        old = rng.sample(self.keys, min(7, len(self.keys)))
        self.paging = {k["id"] for k in old[4:]}
        for k in old[:2]:
            k["cloud"] = self.some_day(0.3, 0.9, f"{k['id']} moves to another cloud")
        for k in old[2:4]:
            end = self.some_day(0.3, 0.9, f"{k['id']} is back after an outage")
            k["outage"] = (end - rng.randrange(2, 6), end)
        self.new_keys = []
        for _ in range(4):
            net = self.geo.pick(rng, rng.choice(COUNTRIES), "hosting")
            k = {"id": self.new_key_id(), "ip": net.address(rng), "ua": rng.choice(world.TOOLS), "moves": None, "wins": None,
                 "accounts": rng.sample(self.accounts, rng.randrange(1, 7)), "hour": rng.randrange(24)}
            k["since"] = self.some_day(0.2, 0.9, f"{k['id']} begins to pull")
            self.new_keys.append(k)
        self.keys += self.new_keys

    # -- emitters

    def released(self, t, name, session, ua):
        """The user agent with the release's token: for each at the next session after some hours or days."""
        if not ua.startswith("Mozilla/"):
            return ua
        late = zlib.crc32(name.encode()) % 250 / 100
        carries = t / DAY >= self.release_day + late
        if session not in (None, "-"):
            carries = self.carrying.setdefault(session, carries)
        return ua + " PortalShell/4.2" if carries else ua

    def emit(self, t, event, who, session, ip, ua, outcome="success", account=None, **details):
        if self.living and session and isinstance(who, Staff):
            s = self.stretches.setdefault(session, Stretch(session, who, t, ip, ua))
            s.end, s.moved = max(s.end, t), s.moved or s.ip != ip
        shown = self.released(t, who.name if isinstance(who, Staff) else who["name"], session, ua)
        page = 1
        if event == "log.query" and not details:  # who queries sees the first page, and sometimes turns it
            details = {"kind": self.rng.choices(("sms", "voice", "mfa"), (6, 3, 2))[0], "page": 1, "per_page": 100}
            while self.rng.random() < 0.3 and page < 15:
                page += 1
                super().emit(t + page * self.rng.uniform(6, 9), event, who, session, ip, shown, outcome, account, **{**details, "page": page})
        return super().emit(t, event, who, session, ip, shown, outcome, account, **details)

    def download(self, t, user, ip, ua, target, rows, session="-", status=200):
        super().download(t, user, ip, self.released(t, user, session, ua), target, rows, session, status)

    def export(self, t, who, session, ip, ua, account, first, last, kind, rows, honest=False, **more):
        done, job = super().export(t, who, session, ip, ua, account, first, last, kind, rows, honest=honest, **more)
        if honest:
            self.jobs.append((done, who, session, ip, ua, account, job, rows))
            if self.rng.random() < 0.01:  # the same person opens the link again on another device
                day = int(t // DAY)
                ip, device = (who.on_the_move(), who.phone) if self.rng.random() < 0.5 else (who.home_ip(day), who.laptop)
                other, t2 = self._login(who, done + loguniform(self.rng, 300, 30000), ip, device.ua(day))
                if other:
                    self.download(t2 + 30, who.name, ip, device.ua(day), f"/exports/{job}.csv", rows, other)
        return done, job

    def api_pull(self, t, key, ip, ua, account, first, last, kind, rows):
        if key not in self.paging:
            return super().api_pull(t, key, ip, ua, account, first, last, kind, rows)
        span = f"from={world.day_of(self, first)}&to={world.day_of(self, last)}&type={kind}"
        for page, done in enumerate(range(0, rows, 1000), 1):
            self.download(t + page * 0.7, key, ip, ua, f"/api/v1/accounts/{account}/messages.csv?{span}&page={page}", min(1000, rows - done))

    # -- ordinary life

    def live(self):
        self.living = True
        super().live()
        for day in range(self.contractor.hired, self.days):
            self.contractor.settle(day)
            self._person_day(self.contractor, day)
        # what comes last makes sessions that the others need not take for honest days' work
        self.usual = [s for s in self.stretches.values() if not s.moved and s.end - s.begin > 5400]
        for name in sorted(n for n in dir(self) if n.startswith("odd_")):
            getattr(self, name)()
        self.living = False

    def _person_day(self, p, day):
        if p.leave and p.leave[0] <= day < p.leave[1] or p.seldom and (day + p.seldom) % 15 > 1:
            return
        super()._person_day(p, day)

    def _key_day(self, k, day):
        rng = self.rng
        first, end = k.get("outage", (None, None))
        if day < k.get("since", 0) or first is not None and first <= day < end:
            return
        if day == k.get("cloud"):
            k["ip"], k["hour"] = self.geo.pick(rng, rng.choice(COUNTRIES), "hosting").address(rng), rng.randrange(24)
            k["ua"] = rng.choice(world.TOOLS)
        if day == end:  # it fetches what it missed, and to be on the safe side more
            t = day * DAY + rng.uniform(0, 0.8) * DAY
            for back in range(20, 0, -1):
                for account in k["accounts"]:
                    t += rng.uniform(2, 40)
                    rows = int(self.size[account] * rng.uniform(0.8, 1.2) / 20) + 1
                    self.api_pull(t, k["id"], k["ip"], k["ua"], account, day - back, day - back, "sms", rows)
        super()._key_day(k, day)

    def workday(self, low=0.1, high=0.85):
        """A weekday between two shares of the days."""
        days = [d for d in range(int(self.days * low), max(1, int(self.days * high))) if (self.start + dt.timedelta(days=d)).weekday() < 5]
        return self.rng.choice(days or [0])

    def at_work(self, role, day):
        """Somebody of this role who is there on this day."""
        pool = [p for p in self.people if p.steady and not (p.trip and p.trip[0] <= day <= p.trip[1])]
        return self.rng.choice([p for p in pool if p.role == role] or pool)

    def sign_in(self, p, day, local, ip=None):
        """An honest login at this local hour: (session, time, ip, user agent)."""
        ip, ua = ip or p.usual_ip(day), p.laptop.ua(day)
        session, t = self._login(p, day * DAY + (local - p.tz_on(day)) * 3600, ip, ua, force=True)
        return session, t, ip, ua

    def impersonate(self, t, p, session, ip, ua, account):
        """Support looks at the portal as one customer sees it."""
        rng = self.rng
        self.emit(t, "impersonation.start", p, session, ip, ua, account=account)
        for _ in range(rng.randrange(1, 6)):
            t += loguniform(rng, 3, 60)
            self.emit(t, "page.view", p, session, ip, ua, account=account)
        self.emit(t + 10, "impersonation.stop", p, session, ip, ua, account=account)
        return t + 10

    def write(self, out):
        for day, text in sorted(self.happened):
            print(f"day {day:>2}: {text}")
        return super().write(out)

    # -- the oddities that are acted out beside the days' work

    def odd_audit_week(self):
        rng, first = self.rng, self.workday(0.2, 0.8)
        p = self.at_work("noc", first)
        self.happened.append((first, f"audit week for {p.name}"))
        for day in range(first, min(self.days, first + 5)):
            s, t, ip, ua = self.sign_in(p, day, p.shift + 1)
            for account in rng.sample(self.accounts, rng.randrange(6, 14)):
                t, _ = self.export(t + loguniform(rng, 60, 900), p, s, ip, ua, account, day - 30, day - 1,
                                   rng.choice(("sms", "voice")), self.size[account])

    def odd_migration(self):
        rng = self.rng
        for _ in range(2):
            day, hour = self.workday(0.2), rng.uniform(9, 14)
            customers = rng.sample(self.accounts, 48)
            for role in ("support", "support", "support", rng.choice(("sales", "engineer"))):
                p = self.at_work(role, day)
                self.happened.append((day, f"migration: {p.name}"))
                s, t, ip, ua = self.sign_in(p, day, hour + rng.uniform(0, 1))
                for account in [customers.pop() for _ in range(rng.randrange(10, 13))]:
                    t, _ = self.export(t + loguniform(rng, 20, 400), p, s, ip, ua, account, day - 30, day - 1, "sms",
                                       int(self.size[account] * rng.uniform(0.7, 1.0)) + 20)

    def odd_on_call(self):
        rng = self.rng
        for _ in range(4):
            day = self.workday(0.2, 0.95)
            p = self.at_work("engineer", day)
            self.happened.append((day, f"on call at night: {p.name}"))
            s, t, ip, ua = self.sign_in(p, day, rng.uniform(0, 5), p.home_ip(day))
            for account in rng.sample(self.accounts, rng.randrange(3, 9)):
                self.emit(t + 20, "log.query", p, s, ip, ua, account=account)
                t, _ = self.export(t + loguniform(rng, 60, 1200), p, s, ip, ua, account, day - 1, day, "sms", int(loguniform(rng, 15000, 60000)))

    def odd_nights(self):
        rng = self.rng
        for _ in range(5):
            day = self.workday(0.2, 0.95)
            p = self.at_work(rng.choice(("support", "sales", "noc")), day)
            self.happened.append((day, f"catches up at night: {p.name}"))
            s, t, ip, ua = self.sign_in(p, day, rng.uniform(1, 4.5), p.home_ip(day))
            for account in rng.sample(p.accounts, rng.randrange(1, 5)):
                t += loguniform(rng, 60, 1500)
                self.emit(t, "page.view", p, s, ip, ua, account=account)
                if rng.random() < 0.6:
                    t, _ = self.export(t + 90, p, s, ip, ua, account, day - rng.randrange(2, 9), day - 1, "sms",
                                       int(min(self.size[account], loguniform(rng, 100, 4000))))

    def odd_fingers(self):
        rng = self.rng
        for s in rng.sample(self.usual, min(6, len(self.usual))):
            self.happened.append((int(s.begin // DAY), f"wrong passwords: {s.who.name}"))
            t = s.begin - rng.uniform(200, 500)
            for _ in range(rng.randrange(6, 11)):
                self.emit(t, "session.login", s.who, None, s.ip, s.ua, outcome="failure", reason="bad_password")
                t += rng.uniform(4, 20)

    def odd_hires(self):
        """Accounts are created for all who join; now and then somebody's role changes."""
        rng = self.rng
        joined = sorted((p for p in [*self.people, self.contractor] if p.hired > 0), key=lambda p: (p.hired, p.id))
        for day in sorted({p.hired for p in joined}):
            admin = self.at_work("engineer", day)
            s, t, ip, ua = self.sign_in(admin, max(0, day - rng.choice((0, 0, 1, 3))), 7)
            for p in (p for p in joined if p.hired == day):
                t += loguniform(rng, 20, 200)
                self.emit(t, "user.created", admin, s, ip, ua, target=p.name, role=p.role)
        engineers = [s for s in self.usual if s.who.role == "engineer"] or self.usual
        for s in rng.sample(engineers, min(4, len(engineers))):
            other = rng.choice(self.people)
            self.emit(rng.uniform(s.begin, s.end), "user.role_changed", s.who, s.session, s.ip, s.ua, target=other.name, role=other.role)

    def odd_keys(self):
        rng = self.rng
        for k in self.new_keys:
            before = [s for s in self.usual if s.who.role == "engineer" and k["since"] - 8 <= s.begin / DAY < k["since"] - 0.5]
            if before:
                s = rng.choice(before)
                self.emit(rng.uniform(s.begin, s.end), "apikey.created", s.who, s.session, s.ip, s.ua, key=k["id"], scope="messages:read")

    def odd_desk(self):
        rng = self.rng
        desk = [s for s in self.usual if s.who.role == "support"]
        for s in desk:
            if rng.random() < 0.1:
                self.impersonate(rng.uniform(s.begin, s.end - 600), s.who, s.session, s.ip, s.ua, rng.choice(s.who.accounts))
        after = [s for s in desk if s.begin / DAY >= self.release_day] or desk
        for s in rng.sample(after, min(2, len(after))):
            self.happened.append((int(s.begin // DAY), f"looks through a dozen customers' eyes: {s.who.name}"))
            t = s.begin + 300
            for account in rng.sample(s.who.accounts, rng.randrange(10, 16)):
                t = self.impersonate(t + loguniform(rng, 20, 300), s.who, s.session, s.ip, s.ua, account)
