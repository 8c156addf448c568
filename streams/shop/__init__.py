"""The shop's knowledge: computed from the inputs, published on `products`, read by the workers."""
