"""ClickHouse in one Python process, served over the native TCP protocol."""
