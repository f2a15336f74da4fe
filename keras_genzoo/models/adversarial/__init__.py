"""Models of two players, a generator and a discriminator."""
