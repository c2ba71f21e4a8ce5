"""What happened, in a durable order that nobody can change unseen. FORMAT.md specifies the journal."""
