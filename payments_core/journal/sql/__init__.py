"""Statements that both databases share, and what each command of the engine writes."""
