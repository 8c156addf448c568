"""What is on each topic: records, JSON Schemas, topic files, and adapters that bring other formats in."""
