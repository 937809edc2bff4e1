"""Replay of a file of orders: what people tried, driven through the system as other systems would drive it."""
