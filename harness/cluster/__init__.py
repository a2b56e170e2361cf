"""Work on many machines, by dask.distributed: what travels, the machines that do it, and who hands it out."""
