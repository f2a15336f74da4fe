"""Models that draw one image from another: p(target | source)."""
