"""The npm packages of the tests, installed once into the build tree."""
import fcntl
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = ["package.json", "js_messages.js", "js_client.js", "js_server.js", "connect_client.mjs"]


def install(folder):
    """None, or why it cannot be. Tests that run at the same time wait."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in SCRIPTS:
            shutil.copy(os.path.join(HERE, name), folder)
        if os.path.isdir(os.path.join(folder, "node_modules", "@bufbuild", "buf")):
            return None
        try:
            done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"],
                                  cwd=folder, capture_output=True, text=True, timeout=240,
                                  check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return None if done.returncode == 0 else done.stderr
