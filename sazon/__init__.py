"""The core that every part of Sazón imports: settings, schema, text, errors, logging, command line."""

__version__ = "0.1.0"
