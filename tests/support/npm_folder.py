"""What a test needs from npm, installed once into the build tree."""
import fcntl
import os
import shutil
import subprocess

PATIENCE_S = 240


def read(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()


def install(folder, source, scripts):
    """Copies package.json and the scripts from `source` and installs what the first names. None,
    or why it cannot be. Tests that run at the same time wait for each other."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("package.json", *scripts):
            shutil.copy(os.path.join(source, name), folder)
        wanted, mark = read(os.path.join(folder, "package.json")), os.path.join(folder, "installed")
        if read(mark) == wanted:
            return None
        try:
            done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"],
                                  cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S,
                                  check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode != 0:
            return done.stderr
        with open(mark, "w", encoding="utf-8") as file:
            file.write(wanted)
        return None
