"""The ML Data Gateway: short-lived, narrowly scoped, audited access to encrypted data in S3."""

__version__ = "0.1.0"
