"""The step to Kubernetes: a project becomes manifests for `kubectl apply`. Pure.

`manifests.py` is the entry. What compose says and Kubernetes has no word for is never left out in silence: it comes
back as a note.
"""
