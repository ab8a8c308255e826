"""Training a simulator: supervised fine-tuning of an adapter on the rows of a call log."""
