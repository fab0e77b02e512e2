"""What Sazón's serving side measures."""
