"""Networks that Keras does not ship, one file each."""
