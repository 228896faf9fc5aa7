"""Finds the Chrome or Chromium that the page tests drive; run as a script, installs one where there is none.

On a Debian it installs the Chromium that has no window, even beside one that has: it opens a page in two thirds of the
time.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WITHOUT_WINDOW = "chromium-headless-shell"  # Debian's name for it
NAMES = [
    WITHOUT_WINDOW,
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
]
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


def on_debian():
    # Ubuntu's package of Chromium is a pointer to a snap, which does not run everywhere.
    return shutil.which("apt-get") and os.geteuid() == 0 and not Path("/etc/lsb-release").exists()


def install(package):
    subprocess.run(["apt-get", "update"], check=True)
    subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", package], check=True)


def main():
    if not os.environ.get("CHROME") and on_debian() and not shutil.which(WITHOUT_WINDOW):
        try:
            install(WITHOUT_WINDOW)
        except subprocess.CalledProcessError as error:  # an older Debian, or one without a network
            print(f"{error}\nSo a Chromium with a window has to do.", file=sys.stderr)
    if find_chrome() is None:
        if on_debian():
            install("chromium")
        else:
            subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)
    print(f"Browser: {find_chrome()}")


if __name__ == "__main__":
    try:
        main()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{error}\n{HELP}")
