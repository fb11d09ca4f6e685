from __future__ import annotations

import environ

env = environ.Env()
SECRET_KEY = env.str("PLAIN_SECRET_KEY")
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
    "tests.bench.plain",
]
DATABASES = {"default": env.db_url("PLAIN_DATABASE_URL") | {"CONN_MAX_AGE": None}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # redis-py 8 waits for 5 seconds unless told otherwise, which is as long as this layer's own reads wait.
            "hosts": [{"address": env.str("PLAIN_REDIS_URL"), "socket_timeout": 60}],
            "capacity": 5000,  # with the 100 that it comes with it drops what a hundred people write at once
        },
    },
}
USE_TZ = True
