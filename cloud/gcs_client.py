"""The Cloud Storage client: its HTTP session, its credentials, its environment."""

from __future__ import annotations

import os
from typing import Any

import google.auth
from google.auth import credentials as auth_credentials
from google.auth import exceptions as auth
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Client
from requests.adapters import HTTPAdapter

from cloud.attempts import NO_CREDENTIALS
from cloud.objects import CloudSetupError

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
# More threads than this do not upload at once; the default pool holds 10 and drops the rest with a warning.
POOL_CONNECTIONS = 64


def build_client() -> tuple[Any, AuthorizedSession]:
    """Return a storage client and the HTTP session that it uses. Connects to nothing but the source of credentials.

    With STORAGE_EMULATOR_HOST set it is anonymous and talks to that address. Raises CloudSetupError.
    """
    # Without this, 3.17 asks for the bucket's metadata in the background, which takes a permission we do not want.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    emulated = bool(os.environ.get("STORAGE_EMULATOR_HOST"))
    credentials, project = _anonymous() if emulated else _default()
    session = AuthorizedSession(credentials)
    # An emulator is never behind the proxy that the environment may name.
    session.trust_env = not emulated
    adapter = HTTPAdapter(pool_connections=POOL_CONNECTIONS, pool_maxsize=POOL_CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    client = Client(project=project or "reviewmill", credentials=credentials, _http=session)
    return client, session


def _anonymous() -> tuple[auth_credentials.Credentials, str | None]:
    return auth_credentials.AnonymousCredentials(), None


def _default() -> tuple[auth_credentials.Credentials, str | None]:
    try:
        credentials, project = google.auth.default(scopes=[_SCOPE])
    except auth.DefaultCredentialsError as error:
        raise CloudSetupError(NO_CREDENTIALS) from error
    return credentials, project
