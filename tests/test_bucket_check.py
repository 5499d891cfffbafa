"""What `perdure doctor` and `/readyz` say of a bucket, from a real S3 server."""

import asyncio
import subprocess
import sys

import pytest

from perdure.temporal.app.commands.blob_check import blob_store
from perdure.temporal.blob_address import Bucket, blob_address
from perdure.temporal.stores.blobs import StoreAway, StoreFull, StoreUnavailable
from perdure.temporal.stores.bucket_faults import unavailable
from perdure.temporal.stores.health import StoreHealth
from perdure.temporal.stores.opened import open_blobs
from tests.support.s3 import S3

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("s3_keys")]


async def test_the_doctor_says_what_is_wrong_with_a_bucket_and_how_to_mend_it(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = await s3.make_bucket()
    check = await blob_store(blob_address(s3.url(bucket)))
    assert check.state in ("ok", "warning")
    assert check.found.startswith(f"s3://{bucket}/perdure can be written, read, listed and emptied; all of that took ")
    assert await s3.keys(bucket) == []

    check = await blob_store(blob_address(s3.url("no-such-bucket")))
    assert (check.state, check.advice) == ("failed", "make it first")
    assert check.found == "s3://no-such-bucket/perdure cannot be written: there is no bucket no-such-bucket"

    check = await blob_store(Bucket("s3", bucket, endpoint="http://127.0.0.1:1", region="us-east-1", allow_http=True))
    assert (check.state, check.advice) == ("failed", "sessions wait for it")
    assert check.found == f"s3://{bucket} cannot be written: nothing listens at http://127.0.0.1:1"

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    check = await blob_store(blob_address(s3.url(bucket)))
    assert (check.state, check.advice) == ("failed", "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    assert "the keys are refused (SignatureDoesNotMatch)" in check.found
    assert "hunter2" not in check.found + check.advice

    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    check = await blob_store(blob_address(s3.url(bucket)))
    assert (check.state, check.advice) == ("failed", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")


@pytest.mark.parametrize(
    ("bucket", "words"),
    [
        (Bucket("az", "container"), "no account is set; add ?account=NAME, or set AZURE_STORAGE_ACCOUNT_NAME"),
        (
            Bucket("az", "container", account="a", endpoint="http://127.0.0.1:1/a", allow_http=True),
            "nothing listens at http://127.0.0.1:1",
        ),
        (
            Bucket("gs", "bucket", endpoint="http://127.0.0.1:1", allow_http=True),
            "nothing listens at http://127.0.0.1:1",
        ),
        (
            Bucket("s3", "bucket", endpoint="https://nobody.invalid", region="eu-central-1"),
            "the host of https://nobody.invalid is not known",
        ),
    ],
)
async def test_other_clouds_are_reached_by_their_own_variables(
    bucket: Bucket, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "aHVudGVyMg==")
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "hunter2")
    check = await blob_store(bucket)
    assert check.state == "failed"
    assert words in f"{check.found}; {check.advice}"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ("507 Insufficient Storage", StoreFull, "it has no room left (507)"),
        ("403 Forbidden: <Error><Code>QuotaExceeded</Code>", StoreFull, "it has no room left (QuotaExceeded)"),
        (
            "403 Forbidden: <Error><Code>AccessDenied</Code><Message>hunter2</Message>",
            StoreUnavailable,
            "the keys may not do that (AccessDenied); let them read, write, list and delete in s3://bucket/p",
        ),
        (
            "301 Moved Permanently: <Error><Code>PermanentRedirect</Code>",
            StoreUnavailable,
            "the bucket is in another region (PermanentRedirect); add ?region=NAME",
        ),
        ("500 Internal Server Error: hunter2", StoreAway, "it answers 500"),
        ("503 Slow Down: <Error><Code>SlowDown</Code>", StoreAway, "it answers 503 SlowDown"),
        ("501 Not Implemented: hunter2", StoreUnavailable, "it answers 501"),
    ],
)
def test_what_a_store_answers_is_told_in_our_words(answer: str, kind: type[StoreUnavailable], words: str) -> None:
    error = Exception(f"Error performing PUT http://h/b in 1ms - Server returned non-2xx status code: {answer}")
    told = unavailable(Bucket("s3", "bucket", "p"), "written", error)
    assert type(told) is kind
    assert str(told) == f"the blob store s3://bucket/p cannot be written: {words}"


async def test_the_state_of_a_shared_store_is_told_at_once_and_looked_up_beside(s3: S3) -> None:
    blobs = open_blobs(blob_address(s3.url(await s3.make_bucket())))
    lacking = open_blobs(blob_address(s3.url("no-such-bucket")))
    well, lost = StoreHealth(blobs, lambda: 0.0), StoreHealth(lacking, lambda: 0.0)
    assert (well.state(), lost.state()) == ("ok", "ok")
    async with asyncio.timeout(30):
        while lost.state() != "lost":
            assert well.state() == "ok"
            await blobs.keys("t")
    # Neither is looked at again before its time.
    before = asyncio.all_tasks()
    assert (well.state(), lost.state()) == ("ok", "lost")
    assert asyncio.all_tasks() <= before


def test_a_process_without_a_bucket_never_loads_the_client() -> None:
    program = (
        "import sys, perdure.temporal.app.processes.start, perdure.temporal.stores.bucket\n"
        "from perdure.temporal.settings import Settings\n"
        "from perdure.temporal.stores.opened import open_blobs\n"
        "open_blobs(Settings(blobs='folder').blob_store)\n"
        "assert 'obstore' not in sys.modules\n"
        "open_blobs(Settings(blobs='s3://bucket').blob_store)\n"
        "assert 'obstore' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
