"""An authenticator app: `oathtool`, which shares no code with the product, makes the codes."""

from __future__ import annotations

import shutil
import subprocess
import time

from house import House, wait_until
from pages import Browser, Page

STEP = 30
# A code made now should still be good when it arrives, however slow the machine is.
MARGIN = 15


class Authenticator:
    """Makes each code once, as a person does who waits for the next one; the server takes none twice."""

    def __init__(self, key: str):
        self.key = key.replace(" ", "")
        self._last_step = 0

    def code(self) -> str:
        """A code that was not made before: the server takes the step before, this one and the next."""
        step = wait_until(self._free_step, within=3 * STEP, what="a time step with an unused code")
        self._last_step = step
        return self.code_of(step)

    def _free_step(self) -> int | None:
        now = time.time()
        this, left = int(now // STEP), STEP - now % STEP
        earliest = max(self._last_step + 1, this - 1 if left > MARGIN else this)
        return earliest if earliest <= this + 1 else None

    def code_of(self, step: int) -> str:
        made = subprocess.run([_oathtool(), "--totp", "--base32", f"--now=@{step * STEP}", self.key],
                              capture_output=True, text=True, timeout=60, check=True)
        return made.stdout.strip()

    def wrong_code(self) -> str:
        """Six digits that are the code of no time step near now."""
        near = {self.code_of(int(time.time() // STEP) + off) for off in range(-2, 4)}
        return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555", "666666")
                    if code not in near)


def _oathtool() -> str:
    found = shutil.which("oathtool")
    assert found, "oathtool is missing (Debian: apt-get install oathtool)"
    return found


def enrol(browser: Browser, *, name: str = "Phone") -> tuple[Authenticator, list[str]]:
    """Adds an authenticator app over the pages, by the key as text; answers it and the recovery codes."""
    browser.go("/setup/second-factors")
    shown = browser.submit(browser.page.form("Add Authenticator App"), "Add Authenticator App")
    app = Authenticator(secrets_on(shown)[0])
    done = browser.fill_and_press({"Verification Code": app.code(), "Name": name}, "Add")
    assert "Your authenticator app is enrolled." in done.text, f"{done.status} {done.text[:600]}"
    return app, secrets_on(done)


def secrets_on(page: Page) -> list[str]:
    return [element.text for element in page.document.find_all("span") if element.get("class") == "secret"]


def password_given(house: House, user) -> Browser:
    """A browser that was never here before, after the right password."""
    browser = house.browser()
    browser.go("/login")
    browser.fill_and_press({"Username": user.username, "Password": user.password}, "Log In")
    return browser
