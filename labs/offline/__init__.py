"""The bundle: what a class without internet needs, made on a machine that has it (`./lab bundle`), and the package
mirror that serves it (`./lab up --offline`). What is in a bundle and how it is used is in docs/offline.md."""
