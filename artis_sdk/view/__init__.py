"""What people look at: pages, plots, tables, and a run as it happens."""
