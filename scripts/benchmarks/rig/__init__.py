"""The servers that the benches compare, and what loads them."""
