# What may destroy a dataset's key-encrypting key, for good: a login of its own, so that a stolen everyday login cannot.
# It opens nothing and signs nothing, and the gateway's fixed keys are out of its reach.

# Allow a key's deletion, and delete it. The prefix covers what lies below a key as well; of its parameters, this one is
# allowed, and no other.
path "transit/keys/gateway-*" {
  capabilities       = ["read", "update", "delete"]
  allowed_parameters = { "deletion_allowed" = [true] }
}
path "transit/keys/gateway-tokens*" {
  capabilities = ["deny"]
}
path "transit/keys/gateway-links*" {
  capabilities = ["deny"]
}
path "transit/keys/gateway-checkpoints*" {
  capabilities = ["deny"]
}

# Keep its own login alive.
path "auth/token/renew-self" {
  capabilities = ["update"]
}
