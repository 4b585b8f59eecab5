"""The one place that imports chDB."""
