"""The Template Pay provider for ``payments_core``; its emulator is ``payments_template.emulator.TemplateEmulator``."""
