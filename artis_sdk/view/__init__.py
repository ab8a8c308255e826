"""Views for people: pages, plots, tables, and a live view of a run."""
