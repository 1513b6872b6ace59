"""What guarding a transport adds to a request of httpx and httpx2."""
