"""Loads the course's extension into every notebook and IPython shell of this environment."""

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - IPython's loader defines it

c.InteractiveShellApp.extensions = ["labs"]
