"""One corpus on a server: requests, who may make them, and what an answer means."""

import getpass
import os
import sys
import threading
from email.utils import parsedate_to_datetime
from time import time
from urllib.parse import quote, urlsplit

import requests
import urllib3

from sediff import __version__
from sediff.errors import UserError
from sediff.fetch.corpora import PHYSIONET, Corpus

TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two pieces of an answer
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
HEADERS = {"User-Agent": f"sediff/{__version__}", "Accept-Encoding": "identity"}  # ranges are of the file's own bytes
CUT = (requests.RequestException, urllib3.exceptions.HTTPError)  # what a lost connection is raised as


class RefusedError(Exception):
    """The server wants a user, or another one."""


class AbsentError(Exception):
    """The server answers, but not with this file."""


class UnavailableError(Exception):
    """The server is busy or the connection was lost; `wait` is how many seconds it asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Server:
    """The files of a corpus below its address. A password goes to PhysioNet, or to loopback, and nowhere else."""

    def __init__(self, corpus: Corpus, base_url: str) -> None:
        """Check the address.

        Raises:
            UserError: the address is no plain http or https one.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise UserError("--base-url is no address like https://physionet.org/files (without a user or password).")
        self.corpus = corpus
        self.host = parts.hostname
        self.address = f"{base_url.rstrip('/')}/{corpus.name}/{corpus.version}/"
        self.signed_in = False
        self._auth: requests.auth.AuthBase = _Nobody()
        self._threads = threading.local()

    def get(self, path: str, offset: int = 0) -> requests.Response:
        """Ask for a file from `offset` on: an answer of 200, 206, or 416 where nothing is left, its body not read yet.

        Raises:
            RefusedError: by 401 or 403.
            AbsentError: the server has no such file.
            UnavailableError: the server is busy or cannot be reached.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            response = self._session().get(
                self.address + quote(path), headers=headers, stream=True, timeout=TIMEOUT, auth=self._auth
            )
        except requests.TooManyRedirects:
            raise AbsentError("it is redirected in a circle") from None
        except CUT as error:
            raise UnavailableError(reason_of(error)) from None
        status = response.status_code
        if status in (200, 206) or (status == 416 and offset):
            return response
        response.close()
        if status in (401, 403):
            raise RefusedError(f"{self.address}{path} answers {status}")
        if status in (408, 429) or status >= 500:
            raise UnavailableError(f"the server answers {status}", _seconds(response.headers.get("Retry-After")))
        raise AbsentError(f"the server answers {status}")

    def sign_in(self) -> None:
        """Take the user's name and password, which are kept in memory only.

        Raises:
            UserError: there is no name or password, or the address is not PhysioNet's.
        """
        user, password = os.environ.get("PHYSIONET_USER"), os.environ.get("PHYSIONET_PASSWORD")
        if not user or (not password and not sys.stdin.isatty()):
            raise UserError(
                f"{self.corpus} needs a PhysioNet account that is credentialed for it: sign at {self.corpus.page}, "
                "then set PHYSIONET_USER (and PHYSIONET_PASSWORD where there is no terminal to ask at)."
            )
        if self.host not in LOOPBACK and not self.address.startswith(f"{PHYSIONET}/"):
            raise UserError(f"{self.address} wants a password, which is for {PHYSIONET} only: leave --base-url out.")
        password = password or getpass.getpass(f"Password of {user} at {self.host}: ")
        self._auth = requests.auth.HTTPBasicAuth(user.encode(), password.encode())
        self.signed_in = True

    def refusal(self, refused: RefusedError) -> UserError:
        """What to tell somebody whom the server does not admit."""
        return UserError(
            f"{refused}: {self.corpus} needs a credentialed account, and this one is wrong or did not sign at "
            f"{self.corpus.page}; if it did, PhysioNet does not admit this program yet: fetch with the wget command of "
            "that page, and run this again in the folder that it made, to verify the files."
        )

    def _session(self) -> requests.Session:
        """A session for each thread, whose connections are kept."""
        if not hasattr(self._threads, "session"):
            self._threads.session = _Session()
            self._threads.session.headers.update(HEADERS)
        session: requests.Session = self._threads.session
        return session


class _Nobody(requests.auth.AuthBase):
    """No user. Given explicitly, it also keeps requests from sending what ~/.netrc has for any host."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _Session(requests.Session):
    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Leave the password behind where a redirect leads to another host, port or scheme."""
        before, after = response.request.url or "", prepared_request.url or ""
        if urlsplit(before)[:2] != urlsplit(after)[:2]:
            prepared_request.headers.pop("Authorization", None)


def reason_of(error: Exception) -> str:
    """A few words for a lost connection."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "the server does not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate or encryption is not accepted"
    return "the connection is cut or cannot be made"


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds a number or a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time())
    except ValueError:
        return None
