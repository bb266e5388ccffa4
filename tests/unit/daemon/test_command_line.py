from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernel_engine.daemon.__main__ import main


@pytest.mark.parametrize("words", [[], ["dance"], ["serve", "--nonsense"]])
def test_what_it_does_not_know(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: kernel-engine" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@pytest.mark.parametrize("verb", ["serve", "cleanup"])
def test_an_ordinary_user_is_told_in_one_line(verb: str) -> None:
    code = (
        "import os, sys\n"
        "from kernel_engine.daemon import cleanup, serve\n"
        "from kernel_engine.daemon.__main__ import main\n"
        "os.setuid(65534)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", code, verb, "--root", "/proc/none", "--run", "/usr"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "kernel-engine: cannot use /usr: Permission denied"
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_cleanup_of_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cleanup", "--root", str(tmp_path / "root"), "--run", str(tmp_path / "run"), "--all"]
    assert main(words) == 0
    assert main([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []
