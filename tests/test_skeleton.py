import subprocess
import sys


def test_the_module_answers_help() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "collector", "--help"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0
    assert "fleet" in answer.stdout
