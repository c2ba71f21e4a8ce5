# What may be done in Vault or OpenBao by who replaces the gateway's secrets (`gateway rotate-secrets`), and nothing else.
# Whoever has this login can make logins of the gateway: keep it as an operator's, away from the gateway's machines.

# Give the two signing keys new versions, and let old ones sign and verify no more. It cannot export or delete one, or
# change how one is protected.
path "transit/keys/gateway-tokens" {
  capabilities = ["read"]
}
path "transit/keys/gateway-tokens/rotate" {
  capabilities       = ["update"]
  allowed_parameters = {}
}
path "transit/keys/gateway-tokens/config" {
  capabilities       = ["update"]
  allowed_parameters = { "min_decryption_version" = [], "min_encryption_version" = [] }
}
path "transit/keys/gateway-checkpoints" {
  capabilities = ["read"]
}
path "transit/keys/gateway-checkpoints/rotate" {
  capabilities       = ["update"]
  allowed_parameters = {}
}
path "transit/keys/gateway-checkpoints/config" {
  capabilities       = ["update"]
  allowed_parameters = { "min_encryption_version" = [] }
}

# Try the new version, and the old one.
path "transit/sign/gateway-tokens" {
  capabilities = ["update"]
}
path "transit/verify/gateway-tokens" {
  capabilities = ["update"]
}
path "transit/sign/gateway-checkpoints" {
  capabilities = ["update"]
}
path "transit/verify/gateway-checkpoints" {
  capabilities = ["update"]
}

# Make secret ids of the gateway's login, the shredder's and this one, and destroy them.
path "auth/approle/role/gateway/secret-id" {
  capabilities = ["update", "list"]
}
path "auth/approle/role/gateway/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/gateway/secret-id/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/gateway/secret-id-accessor/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/gateway/secret-id-accessor/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/gateway-shredder/secret-id" {
  capabilities = ["update", "list"]
}
path "auth/approle/role/gateway-shredder/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/gateway-shredder/secret-id/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/gateway-shredder/secret-id-accessor/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/gateway-shredder/secret-id-accessor/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/gateway-rotation/secret-id" {
  capabilities = ["update", "list"]
}
path "auth/approle/role/gateway-rotation/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/gateway-rotation/secret-id/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/gateway-rotation/secret-id-accessor/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/gateway-rotation/secret-id-accessor/destroy" {
  capabilities = ["update"]
}

# Note progress, keep what is made and not yet published, and forget it.
path "gateway/data/lock" {
  capabilities = ["create", "read", "update"]
}
path "gateway/data/progress/*" {
  capabilities = ["create", "read", "update"]
}
path "gateway/data/pending/*" {
  capabilities = ["create", "read", "update"]
}
path "gateway/metadata/pending/*" {
  capabilities = ["delete"]
}
path "gateway/data/published/*" {
  capabilities = ["create", "read", "update"]
}

# Keep its own login alive.
path "auth/token/renew-self" {
  capabilities = ["update"]
}
