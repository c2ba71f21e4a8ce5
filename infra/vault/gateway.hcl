# What the gateway may do in Vault or OpenBao: use its own keys, named gateway-*, and nothing else.
# It can never read a key's bytes (export, backup), delete or trim one, or change how one is protected.

# Make, look up and rotate key-encrypting keys, and retire their old versions. The prefix also covers what lies below a
# key (config, trim, import), and the policy language has no way to name those. They all work through parameters, so the
# one that making a key needs is allowed, and the one that retires versions, which can be taken back; and no other: a
# config or trim without parameters changes nothing.
path "transit/keys/gateway-*" {
  capabilities       = ["create", "read", "update"]
  allowed_parameters = { "type" = ["aes256-gcm96"], "min_decryption_version" = [] }
}

# Those that sign are retired by who rotates them (rotation.hcl).
path "transit/keys/gateway-tokens/*" {
  capabilities = ["deny"]
}
path "transit/keys/gateway-checkpoints/*" {
  capabilities = ["deny"]
}

# Generate data keys, open them, and move them to a KEK's newest version.
path "transit/datakey/plaintext/gateway-*" {
  capabilities = ["update"]
}
path "transit/decrypt/gateway-*" {
  capabilities = ["update"]
}
path "transit/rewrap/gateway-*" {
  capabilities = ["update"]
}

# Sign gateway tokens.
path "transit/sign/gateway-tokens" {
  capabilities = ["update"]
}

# Sign checkpoints of the audit journal.
path "transit/sign/gateway-checkpoints" {
  capabilities = ["update"]
}

# Keep its own login alive.
path "auth/token/renew-self" {
  capabilities = ["update"]
}
