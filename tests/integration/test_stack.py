"""The shared stack is real, and each test gets its own place on it."""

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

pytestmark = pytest.mark.integration


def test_s3_refuses_an_unsigned_request(stack, bucket):
    anonymous = boto3.client(
        "s3", endpoint_url=stack.s3, region_name=stack.region, config=Config(signature_version=UNSIGNED)
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        anonymous.put_object(Bucket=bucket, Key="k", Body=b"x")


def test_s3_keeps_what_is_put(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x" * 100
