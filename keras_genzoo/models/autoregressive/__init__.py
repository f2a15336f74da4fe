"""Models that factorise the density of an image into conditionals, pixel by pixel."""
