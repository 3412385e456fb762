"""The sessions of a Django application, in the store that is named: `login USER` prints a session's key, `who KEY` whose it is."""
import sys
from importlib import import_module

import django
from django.conf import settings

store, place, what, argument = sys.argv[1:]
engine = {"redis": "cache", "postgres": "db", "both": "cached_db"}[store]
redis, _, postgres = place.partition(" ")
databases = {}
if store != "redis":
    host, port = postgres.rsplit(":", 1)
    databases["default"] = {
        "ENGINE": "django.db.backends.postgresql", "HOST": host, "PORT": port, "NAME": "portal", "USER": "owner",
    }
settings.configure(
    SECRET_KEY="for a test", INSTALLED_APPS=["django.contrib.sessions"], DATABASES=databases,
    SESSION_ENGINE="django.contrib.sessions.backends." + engine,
    CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis}},
)
django.setup()
sessions = import_module(settings.SESSION_ENGINE)
if what == "migrate":
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
elif what == "login":
    session = sessions.SessionStore()
    session["user"] = argument
    session.save()
    print(session.session_key)
else:
    # As the session middleware does with the cookie of a request.
    print(sessions.SessionStore(argument).get("user", "nobody"))
