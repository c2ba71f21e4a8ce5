"""Starts the real parts for a laptop and for tests: OpenBao (Vault's API, and an OIDC provider) and SeaweedFS (S3)."""
