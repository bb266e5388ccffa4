"""`labs serve --learners FILE`: a class on one server. JupyterHub lets each learner in and starts their JupyterLab;
beside it stands an engine of the learner's own, restricted, in a network of the learner's own. docs/class.md."""
