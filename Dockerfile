# The demo's shop and its upstream; which of the two runs is the command's business.
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 demo
WORKDIR /srv

# The versions come first: this layer is built again only when they change.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY fastapi_hybrid_breaker fastapi_hybrid_breaker
RUN pip install --no-cache-dir --constraint constraints.txt '.[demo]'
COPY demo_app demo_app

USER demo
EXPOSE 8000
CMD ["uvicorn", "demo_app.shop:app", "--host", "0.0.0.0", "--port", "8000"]
