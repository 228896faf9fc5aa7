"""Finds the Chrome or Chromium that the page tests drive; run as a script, installs one where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"]
MACOS = [f"/Applications/{name}.app/Contents/MacOS/{name}" for name in ("Google Chrome", "Chromium")]
HELP = "This needs Chrome or Chromium: install it, or set CHROME to the path of its program."


def find_chrome():
    """The path of a browser, or None. The environment variable CHROME comes before anything that is installed."""
    if chosen := os.environ.get("CHROME"):
        if path := shutil.which(chosen):
            return path
        raise FileNotFoundError(f"CHROME is {chosen!r}, and that is no program that can be run")
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return next(filter(None, map(shutil.which, [*NAMES, *MACOS, own])), None)


def install_chrome():
    if shutil.which("apt-get") and os.geteuid() == 0 and not Path("/etc/lsb-release").exists():
        # Debian. Ubuntu's package of this name is a pointer to a snap, which does not run everywhere.
        commands = [["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]]
    else:
        commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    for command in commands:
        subprocess.run(command, check=True)


if __name__ == "__main__":
    try:
        if find_chrome() is None:
            install_chrome()
        print(f"Browser: {find_chrome()}")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{error}\n{HELP}")
