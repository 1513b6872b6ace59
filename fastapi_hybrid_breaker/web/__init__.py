"""FastAPI and Starlette: guards of routes, the answer to a rejection, the admin pages."""
