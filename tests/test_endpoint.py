import pytest

from sediff.endpoint import Endpoint, checked_address, shown
from sediff.errors import UserError
from sediff.params import Params, set_params


@pytest.mark.parametrize(
    ("url", "allowed", "may"),
    [
        ("http://127.0.0.1:8000/v1", (), True),
        ("http://localhost/v1", (), True),
        ("http://[::1]:8000/v1", (), True),
        ("https://api.openai.com/v1", (), False),
        ("https://localhost.example.org/v1", (), False),
        ("https://127.0.0.1@example.org/v1", (), False),
        ("https://llm.example.org/v1", ("llm.example.org",), True),
        ("https://llm.example.org:8443/v1", ("llm.example.org:8443",), True),
    ],
)
def test_who_may_see_restricted_records(url, allowed, may):
    endpoint = Endpoint(url, "m", allowed)
    assert endpoint.may_see_restricted() is may
    endpoint.refuse_restricted([])
    if not may:
        with pytest.raises(UserError, match="Source clinic is restricted and may not be sent to"):
            endpoint.refuse_restricted(["clinic"])


def test_a_remote_endpoint_needs_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match="OPENAI_API_KEY is not set"):
        Endpoint("https://llm.example.org/v1", "m").client()


@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1:8000/v1", "http://llm.example.org./v1", "https://[::1]/v1", "https://llm.example.org"]
)
def test_addresses(url):
    assert checked_address(url) == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://[::1]:65535", "https://chroma.example.org", ""])
def test_addresses_of_servers(url):
    assert checked_address(url, path=False) == url
    assert checked_address(url and f"{url}/", path=False) == url
    with pytest.raises(ValueError, match="is no address of"):
        checked_address(f"{url}/v1", path=False)


@pytest.mark.parametrize(
    "url",
    ["llm.example.org/v1", "localhost:8000", "ftp://example.org", "http://", "http://:80/v1", "http://[::1/v1",
     "http://example.org:eighty/v1", "http://example.org:0/v1", "http://example.org:99999/v1", "http://a b/v1",
     "http://a..b/v1", "http://.a/v1", f"http://{'a' * 64}.org/v1", "http://127.0.0.1:9/v1\\x7f"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["llm_base_url", "embedding_base_url"])
def test_a_malformed_address_is_a_mistake_in_a_parameter(url, name, tmp_path):
    with pytest.raises(UserError, match=rf"runtime\.{name}: .* is no address of an API: write one like"):
        _set(tmp_path, name, url)


@pytest.mark.parametrize("url", ["http://me:pw@example.org/v1", "http://example.org/v1?key=1", "http://example.org/#a"])
def test_a_secret_in_an_address_is_refused_and_not_repeated(url, tmp_path):
    with pytest.raises(UserError, match="the key is read from OPENAI_API_KEY") as error:
        _set(tmp_path, "llm_base_url", url)
    assert "pw" not in str(error.value) and "key=1" not in str(error.value)


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("nonsense", "nonsense"),
        ("https://me:pw@example.org/api", "https://example.org/api"),
        ("https://me:p/w@example.org/api", "https://example.org/api"),
        ("https://example.org/api?key=pw#pw", "https://example.org/api"),
        ("https://me:p?w@example.org/api", "https://..."),
        ("https://me:p#w@example.org", "https://..."),
        ("https://example.org/?to=a://pw@b", "https://..."),
        ("me:pw@example.org", "example.org"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_secret(address, wanted):
    assert shown(address) == wanted


@pytest.mark.parametrize("name", ["chroma", "openlineage_url"])
def test_a_secret_in_the_address_of_a_server_is_refused_and_not_repeated(name, tmp_path):
    with pytest.raises(UserError, match=r"no user, password, query or fragment: others read params\.yaml") as error:
        _set(tmp_path, name, "http://me:pw@example.org")
    assert "pw" not in str(error.value)


def _set(folder, name: str, url: str) -> None:
    path = folder / "params.yaml"
    path.write_text("corpus:\n  sources: [{name: virtual, reader: ptb-xl}]\nruntime:\n  llm_base_url: ''\n")
    Params.load(path)
    set_params(path, [f'runtime.{name}="{url}"'])
