"""Keys as a tree: KEKs in Vault, data keys that they wrap, object keys that derive from those."""
