"""What the project is made of and needs. `./lab up` installs this as a wheel, `./lab test` as an editable copy."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "kernel_engine/__init__.py").read_text(encoding="utf-8"))
assert VERSION is not None, "kernel_engine/__init__.py names no version"

ENGINE = [
    "aiohttp>=3.11",
    "dnslib>=0.9.24",
    "isal>=1.6",
    "pyseccomp>=0.1.2",
    "yarl>=1.17",
    "zstandard>=0.23",
]
COURSE = [
    "configurable-http-proxy>=0.4",  # JupyterHub's proxy without Node
    "anywidget>=0.9.18",
    "ipykernel>=7",
    "ipython>=8.30",
    "ipywidgets>=8.1.5",
    "jsonschema>=4.21",
    "jupyterhub>=5.3",
    "jupyter-server-proxy>=4.4",
    "jupyterlab>=4.4",
    "jupyterlab-language-pack-ko-KR>=4.4",
    "nbclient>=0.10",
    "nbformat>=5.10",
    "nbval>=0.11",
    "PyYAML>=6",
    "wcwidth>=0.2.13",
]
AUTHORS = [
    "jupytext>=1.16.4",  # lab.md → lab.ipynb; its JupyterLab extension has no place in a learner's JupyterLab
]
TEST = [
    *AUTHORS,
    "docker>=7.1",
    "hypothesis>=6.100",
    "kubernetes-validate>=1.31",
    "mypy>=1.13",
    "pexpect>=4.9",
    "playwright>=1.49",
    "pytest>=8.3",
    "pytest-asyncio>=0.25",
    "pytest-rerunfailures>=16.7",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "ruff>=0.9",
    "setuptools>=66",
    "types-jsonschema>=4.21",
    "types-PyYAML>=6",
    "wheel>=0.38",
]

setup(
    name="docker-labs",
    version=VERSION.group(1),
    description="A container engine on the kernel's own calls, and a Korean Docker course in JupyterLab on top of it",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    classifiers=[
        "Environment :: Web Environment",
        "Framework :: Jupyter",
        "Intended Audience :: Education",
        "Natural Language :: Korean",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Topic :: System :: Software Distribution",
    ],
    python_requires=">=3.11",
    packages=find_packages(include=["kernel_engine", "kernel_engine.*", "labs", "labs.*"]),
    # course files are data, whatever their names: notebooks, checks that are loaded by path, Dockerfiles, pictures
    package_data={
        "kernel_engine": ["**/*.json", "**/LICENSE", "**/NOTICE", "py.typed"],
        "labs": [
            "course/**/*",
            "course/**/.*",
            "hub/images/**/*",
            "**/*.json",
            "**/*.js",
            "**/*.mjs",
            "**/*.css",
            "**/*.svg",
            "**/*.cfg",
            "**/*.asc",
        ],
    },
    exclude_package_data={
        "": ["**/__pycache__/*", "*.pyc", "**/.ipynb_checkpoints/*"],
    },
    install_requires=[*ENGINE, *COURSE],
    extras_require={"authors": AUTHORS, "test": TEST},
    # scripts and not entry points: they start Python without `site`, which takes half of a short command's time
    scripts=["packaging/bin/docker", "packaging/bin/docker-compose"],
    entry_points={
        "console_scripts": [
            "kernel-engine = kernel_engine.daemon.__main__:main",
            "labs = labs.cli:main",
        ],
    },
    zip_safe=False,
)
