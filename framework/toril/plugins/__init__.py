"""Plugins: hook specs, descriptors, manager, and what processors see."""
