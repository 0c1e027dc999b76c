"""One thin Prefect flow for each stage: it reads parameters, calls the library and reports. It holds no science."""
