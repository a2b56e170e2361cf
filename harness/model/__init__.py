"""What the RFCs require, pure: the state of a connection, its answers, the table of segments, the requirements."""
