"""Plugins: the hooks they may implement, and the manager that finds, loads and calls them."""
