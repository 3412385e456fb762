"""Six weeks of an ordinary portal: a few people who log in where they always do, look at their customers, and export now and then."""
import datetime
import json
import random

AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 Safari/537.36"
STRANGER = "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0"
PEOPLE = ["dana", "luis", "amara", "ben", "yuki", "nora"]
CUSTOMERS = [f"{tree}-{trade}" for tree in ("oak", "rowan", "hazel", "maple", "larch") for trade in ("bank", "clinics", "airways")]
DAYS = 42


class Portal:
    """Makes lines of the portal's audit trail, each with an id of its own."""

    def __init__(self, seed=1):
        self.dice, self.number = random.Random(seed), 0

    def line(self, at, who, session, event, ip, agent=AGENT, account=None, **details):
        self.number += 1
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return json.dumps({
            "ts": stamp, "id": f"ev-{self.number:06}", "event": event, "outcome": "success",
            "actor": {"id": f"u-{who}", "name": who, "type": "user", "role": "support"}, "session": session,
            "ip": ip, "ua": agent, "account": account, "details": details})

    def export(self, at, who, session, ip, agent, account, first, last, rows):
        return self.line(at, who, session, "log.export.requested", ip, agent, account, export=f"ex-{self.number:05}",
                         kind="mfa", rows=rows, **{"from": first, "to": last})

    def past(self, now):
        """The lines of the days before `now`."""
        lines = []
        for day in range(DAYS, 0, -1):
            for n, who in enumerate(PEOPLE):
                at = now - datetime.timedelta(days=day) + datetime.timedelta(minutes=10 * n)
                ip, session = f"192.0.2.{10 + n}", f"{self.dice.getrandbits(64):016x}"
                lines.append(self.line(at, who, session, "session.login", ip))
                for _ in range(4):
                    at += datetime.timedelta(minutes=7)
                    account = self.dice.choice(CUSTOMERS[2 * n:2 * n + 5])
                    lines.append(self.line(at, who, session, "page.view", ip, account=account))
                if self.dice.random() < 0.5:
                    at += datetime.timedelta(minutes=5)
                    date = (at - datetime.timedelta(days=1)).date().isoformat()
                    rows = self.dice.randrange(20, 900)
                    lines.append(self.export(at, who, session, ip, AGENT, account, date, date, rows))
                lines.append(self.line(at + datetime.timedelta(minutes=9), who, session, "session.logout", ip))
        return sorted(lines, key=lambda line: json.loads(line)["ts"])

    def ordinary(self, now, who="ben"):
        """A page that somebody looks at, from where he always does."""
        n = PEOPLE.index(who)
        return self.line(now, who, "0123456789abcdef", "page.view", f"192.0.2.{10 + n}", account=CUSTOMERS[2 * n])

    def intrusion(self, now, who, session, customers=3):
        """Somebody else with that person's password: a login from elsewhere, then customer after customer, a month of each."""
        ip = "203.0.113.77"
        lines = [self.line(now, who, session, "session.login", ip, STRANGER)]
        for n, account in enumerate(self.dice.sample(CUSTOMERS, customers)):
            at = now + datetime.timedelta(milliseconds=300 * (n + 1))
            first, last = now.date() - datetime.timedelta(days=58), now.date() - datetime.timedelta(days=28)
            lines.append(self.export(at, who, session, ip, STRANGER, account, first.isoformat(), last.isoformat(), 15727 + n))
        return lines
