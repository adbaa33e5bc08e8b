"""A real Chromium for tests, or the reason why there is none."""

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest

_NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *("chrome-headless-shell", "chromium-headless-shell"),
)


@contextlib.contextmanager
def launched() -> Iterator:
    """Yields Playwright's browser: $CHROMIUM, one on PATH, or Playwright's own."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: pip install playwright"
    )
    path = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, _NAMES)), None
    )
    with api.sync_playwright() as playwright:
        if not path and not os.path.exists(playwright.chromium.executable_path):
            pytest.skip(
                "needs Chromium: `playwright install chromium-headless-shell`, a "
                "browser on PATH, or its path in CHROMIUM"
            )
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        yield browser
        browser.close()
