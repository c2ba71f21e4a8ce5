"""Where things lie in the bucket. Every key is made of our own random ids, never of a caller's text."""


def object_key_in_bucket(resource_id: str, object_id: str) -> str:
    """Return the S3 key of an encrypted file.

    >>> object_key_in_bucket("a1", "b2/0")
    'r/a1/o/b2/0'
    """
    return f"r/{resource_id}/o/{object_id}"


def push_prefix(resource_id: str, push_id: str) -> str:
    """Return the prefix below which one push writes, and nothing else.

    >>> push_prefix("a1", "b2")
    'r/a1/o/b2/'
    """
    return f"r/{resource_id}/o/{push_id}/"


def page_key_in_bucket(resource_id: str, digest: str) -> str:
    """Return the S3 key of a sealed manifest page.

    >>> page_key_in_bucket("a1", "ff")
    'r/a1/p/ff'
    """
    return f"r/{resource_id}/p/{digest}"
