"""Where things lie in the bucket. Every key is made of our own random ids, never of a caller's text."""


def object_key_in_bucket(resource_id: str, object_id: str) -> str:
    """Return the S3 key of an encrypted file.

    A copy that was encrypted anew lies beside it, under its epoch.

    >>> object_key_in_bucket("a1", "b2/0"), object_key_in_bucket("a1", "b2/0@3")
    ('r/a1/o/b2/0', 'r/a1/o/b2/0@3')
    """
    return f"r/{resource_id}/o/{object_id}"


def object_prefix(resource_id: str) -> str:
    """Return the prefix below which a resource's encrypted files are.

    >>> object_prefix("a1")
    'r/a1/o/'
    """
    return f"r/{resource_id}/o/"


def push_prefix(resource_id: str, push_id: str) -> str:
    """Return the prefix below which one push writes, and nothing else.

    >>> push_prefix("a1", "b2")
    'r/a1/o/b2/'
    """
    return f"r/{resource_id}/o/{push_id}/"


def pack_prefix(resource_id: str) -> str:
    """Return the prefix below which a resource's manifest pages are.

    >>> pack_prefix("a1")
    'r/a1/p/'
    """
    return f"r/{resource_id}/p/"


def pack_key_in_bucket(resource_id: str, pack: str) -> str:
    """Return the S3 key of a sealed pack of manifest pages.

    >>> pack_key_in_bucket("a1", "b2/ff")
    'r/a1/p/b2/ff'
    """
    return f"{pack_prefix(resource_id)}{pack}"
