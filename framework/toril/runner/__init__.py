"""Starts workers in processes of their own and keeps what must never starve."""
