"""What a change of the kernel's source does to its behaviour: a patch judged, and a commit found."""
