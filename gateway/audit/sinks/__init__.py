"""Ships the journal's events to where others look at them: at least once, from the disk, each sink at its own pace."""
