"""What an elimination makes at most, unless it is told otherwise."""

MOST_ENTRIES = 2**27  # of a table: 1 GiB; some four of the largest are held at once
