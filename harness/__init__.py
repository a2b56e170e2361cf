"""finwait: crafts segments, runs real kernel sockets against them and judges what comes back."""
