"""A version's list of files, as pages: `builder` makes it and `manifest` reads it. FORMAT.md specifies the pages."""
