"""A small admin portal of a provider: staff log in, and export customers' message logs as CSV that is streamed.

    staff_portal.py init|serve SESSIONS REDIS POSTGRES AUDIT [PORT]

SESSIONS says where sessions are kept: redis or postgres. Users, keys and accounts are in PostgreSQL. Every act is a line of AUDIT,
in the schema that tripline recommends. It believes X-Real-IP, since only nginx can reach it.
"""
import datetime
import itertools
import json
import os
import socketserver
import sys
import threading
import time
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from django.conf import settings

what, store, redis, postgres, audit = sys.argv[1:6]
host, port = postgres.rsplit(":", 1)
settings.configure(
    SECRET_KEY="for a test", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends." + {"redis": "cache", "postgres": "db"}[store],
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis}},
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "HOST": host, "PORT": port, "NAME": "portal", "USER": "owner"}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
)
django.setup()

from django.contrib.auth import authenticate, login  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

ROWS = 4000
jobs = {}
numbers = itertools.count()
lock = threading.Lock()


def write(request, event, begun, actor, outcome="success", account=None, session=None, **details):
    """One line of the audit trail, written when the act is over, with how long it took."""
    now = datetime.datetime.now(datetime.timezone.utc)
    line = {
        "ts": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "id": "live-%d-%d" % (os.getpid(), next(numbers)),
        "event": event, "outcome": outcome, "actor": actor, "session": session, "ip": request.META["HTTP_X_REAL_IP"],
        "ua": request.META.get("HTTP_USER_AGENT"), "account": account, "duration_ms": int((time.monotonic() - begun) * 1000),
        "details": details,
    }
    with lock, open(audit, "a") as out:
        out.write(json.dumps(line) + "\n")


def person(user):
    return {"id": "u-%d" % user.id, "name": user.username, "type": "user", "role": user.last_name}


def enter(request):
    begun = time.monotonic()
    user = authenticate(username=request.POST["user"], password=request.POST["password"])
    if user is None:
        write(request, "session.login", begun, {"name": request.POST["user"], "type": "user"}, "failure")
        return HttpResponse(status=403)
    login(request, user)
    request.session.save()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO staff_session VALUES (%s, %s)", [request.session.session_key, user.username])
    write(request, "session.login", begun, person(user), session=request.session.session_key)
    return HttpResponse("welcome")


def export(request):
    """Asks for the export of a customer's logs; answers with the number of the job."""
    begun = time.monotonic()
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    account = request.GET["account"]
    job = "ex-%d-%d" % (os.getpid(), next(numbers))
    jobs[job] = ROWS
    write(
        request, "log.export.requested", begun, person(request.user), account=account, session=request.session.session_key,
        export=job, kind=request.GET["kind"], **{"from": request.GET["from"], "to": request.GET["to"], "rows": ROWS},
    )
    return JsonResponse({"job": job})


def rows(count):
    """As fast as a database of logs gives them: some 20,000 a second."""
    for begin in range(0, count, 200):
        yield "".join("2026-04-01T00:00:%02d,+1303555%04d,AT&T,US,CO,mfa\n" % (n % 60, n) for n in range(begin, begin + 200))
        time.sleep(0.01)


def file(request, job):
    if not request.user.is_authenticated:
        return HttpResponse(status=401)
    response = StreamingHttpResponse(rows(jobs[job]), content_type="text/csv")
    response["X-Rows"] = jobs[job]
    return response


def messages(request, account):
    """The same for a service key, without a session: nginx has its name from Basic authentication."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM api_key WHERE name = %s AND NOT revoked", [request.META["HTTP_X_KEY"]])
        if cursor.fetchone() is None:
            return HttpResponse(status=401)
    response = StreamingHttpResponse(rows(ROWS), content_type="text/csv")
    response["X-Rows"] = ROWS
    return response


urlpatterns = [
    path("login", enter),
    path("exports/new", export),
    path("exports/<str:job>.csv", file),
    path("api/v1/accounts/<str:account>/messages.csv", messages),
]


def init():
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
    for name, role in [("ana", "support"), ("ben", "support"), ("cem", "noc"), ("dora", "admin")]:
        User.objects.create_user(name, password="secret of " + name, last_name=role)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE staff_session (session_key text, username text)")
        cursor.execute("CREATE TABLE api_key (name text, revoked boolean)")
        cursor.execute("INSERT INTO api_key VALUES ('sync-key', false)")
        # what tripline may do, and no more
        cursor.execute("GRANT SELECT, DELETE ON django_session TO tripline")
        cursor.execute("GRANT SELECT ON staff_session TO tripline")
        cursor.execute("GRANT SELECT, UPDATE (is_active) ON auth_user TO tripline")
        cursor.execute("GRANT SELECT, UPDATE (revoked) ON api_key TO tripline")


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


if what == "init":
    init()
else:
    server = Server(("127.0.0.1", int(sys.argv[6])), Quiet)
    server.set_app(get_wsgi_application())
    server.serve_forever()
