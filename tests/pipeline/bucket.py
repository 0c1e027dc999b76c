"""A bucket of `moto`'s server on loopback, which speaks S3, and how DVC's remote in it is written down."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import boto3
from moto.server import ThreadedMotoServer

SECRET = "-".join(("a", "distinctive", "secret"))


class Bucket(NamedTuple):
    """A server's address, the name of a bucket there, and boto3's client of it."""

    url: str
    name: str
    client: Any

    def shared(self, remote: str) -> str:
        """What stands in .dvc/config."""
        return (
            f"['remote \"{remote}\"']\n    url = s3://{self.name}/dvc\n    endpointurl = {self.url}\n"
            "    region = us-east-1\n"
        )

    def own(self, remote: str) -> str:
        """What stands in .dvc/config.local, where git does not look."""
        return f"['remote \"{remote}\"']\n    access_key_id = key\n    secret_access_key = {SECRET}\n"

    def keys(self) -> list[str]:
        """Names of all that it holds."""
        return [item["Key"] for item in self.client.list_objects_v2(Bucket=self.name).get("Contents", ())]


@contextmanager
def made(name: str) -> Iterator[Bucket]:
    """A bucket whose server ends with the block."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="key", aws_secret_access_key=SECRET, region_name="us-east-1"
    )
    client.create_bucket(Bucket=name)
    try:
        yield Bucket(url, name, client)
    finally:
        server.stop()
