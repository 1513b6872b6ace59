"""What a guarded call costs in memory, beside the bare await and beside every peer."""
