"""What a guard costs a FastAPI route: in process, and under uvicorn with load from outside."""
