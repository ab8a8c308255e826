"""llama.cpp below its high-level API: one thread owns a context and decodes many sequences in it."""
