"""Prefect on PostgreSQL: a real one on loopback, which the server of a run keeps its flow runs in."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from sediff.processes import die_with_parent
from tests.pipeline.plain import contents
from tests.pipeline.tiny import ROOT, make

PASSWORD = "-".join(("a", "distinctive", "password"))
SERVER = shutil.which("postgres") or max(map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")), default="")
WALK = """
from pathlib import Path
from sediff.pipeline.server import prefect_server

with prefect_server(Path(".sediff/prefect"), 120):
    from flows.pipeline import walk
    walk(Path(), ["first"], 60)
"""


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL with an empty database, gone with the block: its address without the driver."""
    programs = Path(SERVER).resolve().parent
    # It refuses to be root; Debian's package brings an account of its own.
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:  # pytest's folders are closed to other accounts
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        for path in (folder, folder / "password"):
            os.chown(path, account.pw_uid, account.pw_gid)
        subprocess.run(
            [programs / "initdb", "--pgdata", folder / "data", "--username", "prefect", "--pwfile", folder / "password",
             "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"],
            cwd=folder, check=True, capture_output=True, **user,
        )  # fmt: skip
        with (folder / "log").open("w") as log, subprocess.Popen(
            [SERVER, "-D", folder / "data", "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"],
            cwd=folder, stdout=log, stderr=log, preexec_fn=die_with_parent, **user,
        ) as server:  # fmt: skip
            try:
                ready = [programs / "pg_isready", "--quiet", "--host", "127.0.0.1", "--port", str(port)]
                while subprocess.run(ready, check=False).returncode:
                    assert server.poll() is None, (folder / "log").read_text()
                    time.sleep(0.1)
                yield f"prefect:{PASSWORD}@127.0.0.1:{port}/postgres"
            finally:
                server.terminate()


def rows(address: str, query: str) -> list[asyncpg.Record]:
    async def fetched() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(f"postgresql://{address}")
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()

    return asyncio.run(fetched())


@pytest.mark.skipif(not SERVER, reason="PostgreSQL is not installed (Debian's package postgresql)")
def test_the_own_server_keeps_its_runs_in_postgresql(tmp_path):
    project = make(tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    environment |= {"PYTHONPATH": str(ROOT)}
    with postgres() as address:
        environment["PREFECT_API_DATABASE_CONNECTION_URL"] = f"postgresql+asyncpg://{address}"
        walked = subprocess.run(
            [sys.executable, "-c", WALK], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert walked.returncode == 0, walked.stderr + (project / ".sediff/prefect/server.log").read_text()
        runs = rows(address, "select name, state_type from flow_run")
    assert {(run["name"], run["state_type"]) for run in runs} == {
        (name, "COMPLETED") for name in ("first", "sediff first")
    }
    assert not [path for path in (project / ".sediff/prefect").rglob("*") if path.suffix == ".db"], "no SQLite file"
    assert PASSWORD not in walked.stdout + walked.stderr
    assert not [path for path, content in contents(project) if PASSWORD.encode() in content], (
        "the address stays in the environment"
    )
