"""The page's server: `/`, `POST /ecgs`, and the files of what was made."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sediff.errors import UserError
from sediff.export.record import Record
from sediff.studio.asked import LONGEST_BODY, read_asked
from sediff.studio.files import FILES
from sediff.studio.guard import Guard
from sediff.studio.studio import Studio

HERE = Path(__file__).parent
PAGE = {"/": "page.html", "/page.css": "page.css", "/page.js": "page.js"}
KEPT = 32  # of the last records
WAITING = 4  # requests that may wait for the one that is being made


class Server:
    """Keeps the last records, and makes one at a time."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.kept = studio, OrderedDict[str, Record]()
        self.waiting, self.worker = 0, ThreadPoolExecutor(1)

    async def make(self, request: Request) -> Response:
        """One ECG of a text; its measures and experience as JSON."""
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            return _refused("This page sends JSON.", 415)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_BODY:
                return _refused("That is too much text.", 413)
        if self.waiting >= WAITING:
            return _refused("Others are waiting for their ECG: try again in a few seconds.", 503)
        self.waiting += 1
        try:
            asked = read_asked(body)
            loop = asyncio.get_running_loop()
            made = await loop.run_in_executor(self.worker, self.studio.make, asked.prompt, asked.seed)
        except UserError as error:
            return _refused(str(error), 422)
        finally:
            self.waiting -= 1
        name = made.record.identity[:32]
        self.kept[name] = made.record
        self.kept.move_to_end(name)
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return JSONResponse({**made.told, "files": f"/ecgs/{name}"}, 201)

    async def file(self, request: Request) -> Response:
        """One file of a record that was made."""
        record = self.kept.get(request.path_params["name"])
        if record is None or request.path_params["file"] not in FILES:
            return _refused("This ECG is no longer kept: make it again.", 404)
        media_type, write = FILES[request.path_params["file"]]
        content = await asyncio.get_running_loop().run_in_executor(self.worker, write, record)
        return Response(content, media_type=media_type)


def app(studio: Studio, hosts: Sequence[str]) -> ASGIApp:
    """The application, which answers requests to one of `hosts` ("127.0.0.1:8000") alone, its failures guarded too."""
    server = Server(studio)
    routes = [
        *(Route(path, _resource(name)) for path, name in PAGE.items()),
        Route("/ecgs", server.make, methods=["POST"]),
        Route("/ecgs/{name}/{file}", server.file),
    ]
    handlers = {404: _not_found, 405: _not_found, 500: _failed}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), hosts)


def _resource(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def resource(request: Request) -> Response:
        return FileResponse(HERE / name)

    return resource


async def _not_found(request: Request, error: Exception) -> Response:
    return _refused("There is no such page: open the one at /.", 404)


async def _failed(request: Request, error: Exception) -> Response:
    return _refused("Something failed that should not: the terminal of sediff studio says what.", 500)


def _refused(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status)
