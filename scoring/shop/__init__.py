"""What all customers together did: popularity, companions, usual gaps and prices, as dated snapshots."""
