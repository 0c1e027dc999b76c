"""A refresh with every secret that it may need, and where each of them stands afterwards: where its owner put it."""

import base64
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sediff.endpoint import KEY as LLM_KEY
from sediff.exclusions import KEY as EXCLUSION_KEY
from sediff.exclusions import PATIENT, add_exclusions
from sediff.pseudonyms import FILE as PSEUDONYM_KEY
from sediff.pseudonyms import keep_key, read_key
from sediff.publication.params import WEBHOOK
from sediff.publication.signature import FILE as SIGNING_KEY
from sediff.publication.signature import signing_key
from tests.knowledge.llm_server import Reply, report, serving
from tests.pipeline.bucket import SECRET as S3_SECRET
from tests.pipeline.bucket import Bucket, made
from tests.pipeline.clone import MAIN, ROOT, command
from tests.pipeline.nightly import STAGE, change, make
from tests.pipeline.plain import contents
from tests.pipeline.test_answers import KEY

TOKEN = "-".join(("T0KEN", "of", "a", "webhook"))  # joined here, since a clone has this file too
API_KEY = "-".join(("a", "key", "of", "a", "Prefect", "server"))
OWN = Path(".sediff/published")
ASKING = """
    from flows.answers import answer_store, llm_access
    from sediff.knowledge.llm import LlmDistiller
    asking = LlmDistiller(llm_access(context.params), context.params.knowledge, answer_store(context.params))
    print(asking.distil([{"condition": "Sinus rhythm.", "neighbours": [{"id": "N1"}]}], [()]))
    asking.store.export(sorted(asking.used), context.out / "answers.parquet")
    (context.out / "weights.txt").write_text(Path("data/corpus/records.txt").read_text() * 1000)"""


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with made("secrets-of-a-refresh") as bucket:
        yield bucket


def restricted(folder: Path, bucket: Bucket, llm: str) -> Path:
    """A project with a restricted source, somebody withdrawn, a model to ask and a bucket to publish to."""
    project = make(folder)
    (project / "diffusion.py").write_text(STAGE.format(name="diffusion", body=ASKING))
    shutil.copytree(ROOT / "knowledge/prompts", project / "knowledge/prompts")
    config = project / ".dvc/config"
    config.write_text(re.sub(r"\['remote \"store\"'\]\n.*\n", bucket.shared("store"), config.read_text()))
    identifier, _ = keep_key("", project / PSEUDONYM_KEY)
    add_exclusions(project, [(PATIENT, "virtual/99999")])
    change(
        project,
        "corpus.sources=[{name: virtual, reader: ptb-xl, sharing: restricted}]",
        f'pseudonyms.key="{identifier}"',
        "knowledge.distiller=llm",
        "knowledge.model=m",
        "publication.webhook=http://127.0.0.1:9/nobody",
        f"runtime.llm_base_url={llm}",
    )
    return project


def forms(secret: bytes) -> set[bytes]:
    """A secret as it is, and as programs write it."""
    return {secret, secret.hex().encode(), base64.b64encode(secret), base64.urlsafe_b64encode(secret)}


def secrets(project: Path) -> dict[str, set[bytes]]:
    private = signing_key(project)[0].private_bytes
    pem = private(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).splitlines()[1]
    raw = private(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    given = {"S3": S3_SECRET, "LLM": KEY, "webhook": TOKEN, "Prefect": API_KEY}
    found = {name: forms(secret.encode()) for name, secret in given.items()}
    found["signing"] = {pem, *forms(raw)}
    for name, file in (("pseudonym", PSEUDONYM_KEY), ("exclusion", EXCLUSION_KEY)):
        key = read_key(project / file, "")
        assert key, name
        found[name] = forms(key)
    return found


def written(folder: Path, bucket: Bucket) -> Iterator[tuple[str, bytes]]:
    """All that is below a folder, git's objects too, and all that is in a bucket."""
    for path, content in contents(folder):
        yield path.relative_to(folder).as_posix(), content
    names = bucket.keys()
    for name in names:
        yield f"s3://{name}", bucket.client.get_object(Bucket=bucket.name, Key=name)["Body"].read()


@pytest.mark.slow  # a refresh
def test_no_secret_is_in_anything_that_a_refresh_writes(bucket, tmp_path, monkeypatch):
    echo = Reply(b'{"error": {"message": "busy, %s"}}' % KEY.encode(), 503)
    with serving(lambda asked: report() if len(llm.asked) > 1 else echo) as llm, serving(Reply(b"{}")) as hook:
        project = restricted(tmp_path, bucket, llm.url)
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", S3_SECRET),
            (LLM_KEY, KEY),
            ("OPENAI_LOG", "debug"),
            (WEBHOOK, f"{hook.url}/{TOKEN}"),
        ):
            monkeypatch.setenv(name, value)
        result = command(project, sys.executable, "-c", MAIN, "refresh", PREFECT_API_KEY=API_KEY)
    told = result.stdout + result.stderr
    assert (result.returncode, "ecg@v0.0.1 is served" in told) == (0, True), told
    assert {headers["authorization"] for headers in llm.headers} == {f"Bearer {KEY}"}, "it was used"
    assert len(llm.asked) > 1
    assert hook.asked[0]["outcome"] == "published", "before the address in params.yaml"
    assert len(bucket.keys()) > 3

    known = secrets(project)
    names = {form: name for name, written_as in known.items() for form in written_as}
    pattern = re.compile(b"|".join(map(re.escape, names)))
    assert not pattern.search(told.encode())
    places = list(written(tmp_path, bucket))
    for place in ("prefect.db", "server.log", "0001.json", "environment.json", "refreshes.jsonl", "answers/", "s3://"):
        assert any(place in path for path, _ in places), f"{place} is looked at"
    found = {(path, names[match[0]]) for path, content in places for match in pattern.finditer(content)}
    keys = {("signing", SIGNING_KEY), ("pseudonym", PSEUDONYM_KEY), ("exclusion", EXCLUSION_KEY)}
    wanted = {(f"checkout/{file}", name) for name, file in keys}
    wanted |= {
        (f"checkout/{OWN / file}", name) for name, file in keys if name != "signing"
    }  # for the worktree's stages
    assert found == wanted, "the search finds them where they are, and nowhere else"
