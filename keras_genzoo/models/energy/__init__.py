"""Energy-based models: p(x) is exp(-F(x)) / Z, whose free energy F is cheap and whose sum Z over every x is not."""
