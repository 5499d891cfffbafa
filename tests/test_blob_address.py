"""`PERDURE_BLOBS` is read strictly, and never holds or shows a key."""

from pathlib import Path

import pytest

from perdure.temporal.blob_address import Bucket, blob_address
from perdure.temporal.settings import Settings, SettingsInvalid

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("blobs", Path("blobs")),
        ("/var/lib/perdure", Path("/var/lib/perdure")),
        ("file:///var/lib/a%20b", Path("/var/lib/a b")),
        ("s3://bucket", Bucket("s3", "bucket")),
        ("s3://my.bucket/", Bucket("s3", "my.bucket")),
        ("gs://my_bucket/a/b/", Bucket("gs", "my_bucket", "a/b")),
        ("az://container/team=x?account=acme", Bucket("az", "container", "team=x", account="acme")),
        (
            "s3://bucket/p?endpoint=http://127.0.0.1:9000&region=eu-central-1&allow_http=true&virtual_hosted=false",
            Bucket("s3", "bucket", "p", "http://127.0.0.1:9000", "eu-central-1", allow_http=True),
        ),
    ],
)
def test_an_address_is_read_and_written_back(given: str, expected: Path | Bucket) -> None:
    read = blob_address(given)
    assert read == expected
    if isinstance(read, Bucket):
        assert blob_address(read.url) == read


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (f"s3://key:{SECRET}@bucket/p", "no key belongs into the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (f"gs://{SECRET}@bucket", "set GOOGLE_APPLICATION_CREDENTIALS"),
        (f"s3://bucket?secret_access_key={SECRET}", "only endpoint, region, allow_http, virtual_hosted are known"),
        (f"az://bucket?account={SECRET}&sig={SECRET}", "only account, endpoint, allow_http are known"),
        (f"s3://bucket?endpoint=https://me:{SECRET}@host", "no key belongs into the endpoint"),
        (f"ftp://{SECRET}/p", "give a folder, s3://BUCKET/PREFIX, gs://"),
        ("s3://", "no bucket can have that name"),
        ("s3:///prefix", "no bucket can have that name"),
        ("s3://b", "no bucket can have that name"),
        ("s3://bucket:443/p", "no bucket can have that name"),
        ("s3://bucket:x/p", "give a folder"),
        ("s3://bucket/a/../b", "a prefix is made of"),
        ("s3://bucket/a b", "a prefix is made of"),
        ("s3://bucket/p#x", "a prefix is made of"),
        ("s3://bucket?endpoint=host:9000", "the endpoint is a URL"),
        ("s3://bucket?endpoint=http://host:9000", "add &allow_http=true"),
        ("s3://bucket?endpoint=http://host:9000&allow_http=false", "add &allow_http=true"),
        ("s3://bucket?allow_http=yes", "allow_http is true or false"),
        ("s3://bucket?region=a&region=b", "each once"),
        ("s3://bucket?region=", "an option after ? is empty"),
        ("file://host/path", "give a folder by its whole path"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(given: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_BLOBS", given)
    with pytest.raises(SettingsInvalid) as refused:
        Settings.load()
    assert str(refused.value).startswith("PERDURE_BLOBS: ")
    assert why in str(refused.value)
    assert SECRET not in str(refused.value)


def test_the_url_goes_before_the_folder_and_the_folder_before_the_data_directory() -> None:
    folder = {"data_dir": Path("/data"), "blob_dir": Path("/blobs")}
    assert Settings.load(**folder, blobs="s3://bucket/p").blob_store == Bucket("s3", "bucket", "p")
    assert Settings.load(**folder, blobs="").blob_store == Path("/blobs")
    assert Settings.load(data_dir=Path("/data")).blob_store == Path("/data/blobs")
