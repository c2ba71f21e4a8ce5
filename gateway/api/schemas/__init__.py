"""The JSON that goes over the wire: one noun a module. Requests refuse unknown fields."""
