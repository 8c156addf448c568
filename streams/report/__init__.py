"""Reports: what marketers look at, from the topics or from files, as tables, JSON and pages with plots."""
