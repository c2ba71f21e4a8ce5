"""SeaweedFS: a whole S3 server on loopback that checks signatures."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gateway.devstack import programs
from gateway.devstack.folder import StateFolder
from gateway.devstack.network import GRPC_OFFSET, LOOPBACK
from gateway.devstack.process import Process

REGION = "us-east-1"
ROLES = ("s3", "filer", "master", "volume", "admin")
"""The servers inside, each with an HTTP port and its gRPC pair."""
_READY_WITHIN = timedelta(seconds=60)
_SOCKETS = Path("/tmp")  # noqa: S108 - where SeaweedFS itself puts its Unix sockets


class SeaweedFS:
    """A running SeaweedFS with one bucket."""

    def __init__(self, process: Process, endpoint: str, folder: StateFolder, ports: Sequence[int]) -> None:
        self.process = process
        self.endpoint = endpoint
        self.access_key_id_file = folder.secret_file("s3-access-key-id")
        self.secret_access_key_file = folder.secret_file("s3-secret-access-key")
        self._ports = ports

    @classmethod
    def start(cls, folder: StateFolder, *, ports: Sequence[int], bucket: str) -> "SeaweedFS":
        """Start the servers on `ports`, one for each of `ROLES`, with `bucket` made if needed."""
        home, data = folder.subfolder("seaweedfs"), folder.subfolder("seaweedfs/data")
        process = Process.start(
            "SeaweedFS",
            [programs.weed(), "mini", *_options(data, dict(zip(ROLES, ports, strict=True)), bucket)],
            log=folder.log("seaweedfs"),
            environment={
                "HOME": str(home),
                "PATH": "",
                # Without credentials in its environment it would take every request as an administrator's.
                # A bucket has volumes of its own, of which there are only so many: one to begin with, not seven.
                "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
                "AWS_ACCESS_KEY_ID": folder.random_secret("s3-access-key-id").read_text(),
                "AWS_SECRET_ACCESS_KEY": folder.random_secret("s3-secret-access-key").read_text(),
            },
            folder=home,
        )
        return cls(process, f"http://{LOOPBACK}:{ports[0]}", folder, ports)

    def wait_ready(self, bucket: str) -> None:
        """Return once an object can be written, which is later than when the port answers.

        Raises:
            ProcessFailed: it did not come up.
        """
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key_id_file.read_text(),
            aws_secret_access_key=self.secret_access_key_file.read_text(),
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5, proxies={}),
        )

        def writable() -> bool:
            try:
                client.put_object(Bucket=bucket, Key=".ready", Body=b"1")
                client.delete_object(Bucket=bucket, Key=".ready")
            except (BotoCoreError, ClientError):
                return False
            return True

        self.process.wait_ready(writable, within=_READY_WITHIN)

    def stop(self) -> None:
        """Stop the servers, and remove the sockets that they leave behind."""
        self.process.stop()
        for port in self._ports:
            for number in (port, port + GRPC_OFFSET):
                for socket in _SOCKETS.glob(f"seaweedfs-*-{number}.sock"):
                    socket.unlink(missing_ok=True)


def _options(data: Path, ports: dict[str, int], bucket: str) -> list[str]:
    listen = [f"-{role}.port={port}" for role, port in ports.items()]
    grpc = [f"-{role}.port.grpc={port + GRPC_OFFSET}" for role, port in ports.items()]
    # Users may replace their own access keys, as with AWS's IAM: `gateway revoke --rotate-signer`.
    replaceable = ["-s3.iam.readOnly=false"]
    unused = ["-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false"]
    return [
        f"-dir={data}",
        f"-bucket={bucket}",
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        "-volume.max=5000",  # files that grow as they fill; its own guess stops at a bucket in each GiB that is free
        "-volume.preStopSeconds=0",  # there is no second server that would have to take over
        *listen,
        *grpc,
        *replaceable,
        *unused,
    ]
