"""A version's list of files, as pages: `manifest` builds and reads it. FORMAT.md specifies the pages."""
