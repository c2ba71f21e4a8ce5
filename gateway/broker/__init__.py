"""The use cases: each a straight line from an access request to an answer, whose event is durable first."""

from dataclasses import dataclass

from gateway.broker.advise import Advise
from gateway.broker.batch import Batch
from gateway.broker.browse import Browse
from gateway.broker.garbage import Garbage
from gateway.broker.health import Health
from gateway.broker.history import History
from gateway.broker.inspection import Inspection
from gateway.broker.key_status import DescribeKeys
from gateway.broker.leases import Leases
from gateway.broker.links import Links
from gateway.broker.publish import Publish
from gateway.broker.reencrypt import Reencrypt
from gateway.broker.review import Review
from gateway.broker.revoke import Revoke
from gateway.broker.rotate import Rotate
from gateway.broker.shred import Shredding
from gateway.broker.sign_in import SignIn
from gateway.broker.streams import Streams


@dataclass(frozen=True, slots=True)
class Broker:
    """Everything that the gateway does."""

    sign_in: SignIn
    browse: Browse
    history: History
    inspection: Inspection
    garbage: Garbage
    links: Links
    batch: Batch
    leases: Leases
    revoke: Revoke
    streams: Streams
    publish: Publish
    rotate: Rotate
    key_status: DescribeKeys
    reencrypt: Reencrypt
    shredding: Shredding
    review: Review
    advise: Advise
    health: Health
