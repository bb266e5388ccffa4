"""kernel-engine serve, doctor, cleanup: starts the processes and joins the floors."""
