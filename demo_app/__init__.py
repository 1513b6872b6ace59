"""A shop that guards its inventory service, and a story that shows a fleet of it at work.

``python -m demo_app`` plays the story on real processes; ``uvicorn demo_app.shop:app`` runs the
shop alone.
"""
