"""What a guarded call costs where circuits are shared over Redis: near, away, hung and gone."""
