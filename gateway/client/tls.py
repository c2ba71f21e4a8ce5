"""Which certificates we trust: the system's, or those of SSL_CERT_FILE; the same for the gateway and for S3."""

import ssl
from functools import cache


@cache
def tls_context() -> ssl.SSLContext:
    """Return the one context of the process: certificates and host names are verified, TLS 1.2 at least."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
