"""Frames in and out of a lab: encoded, sent, captured, decoded."""
