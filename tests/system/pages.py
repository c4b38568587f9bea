"""Reads pages as a person does: fields by their label, links and buttons by their words.

`Browser` keeps cookies, follows redirects and sends back every hidden field of a form. It runs no script, so whatever it
can do works without JavaScript.
"""

from __future__ import annotations

import http.client
import re
import ssl
import urllib.parse
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parent: "Element | None" = None
    children: list = field(default_factory=list)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", self._raw_text()).strip()

    def _raw_text(self) -> str:
        if self.tag in ("script", "style", "template"):
            return ""
        words = []
        for child in self.children:
            words.append(child if isinstance(child, str) else child._raw_text())
        block = self.tag in ("p", "div", "li", "tr", "td", "th", "dt", "dd", "h1", "h2", "h3", "section", "br", "label",
                             "button", "option", "nav", "main", "header", "form")
        return (" " if block else "") + "".join(words) + (" " if block else "")

    def walk(self):
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def find_all(self, *tags: str) -> list["Element"]:
        return [element for element in self.walk() if element.tag in tags]

    def inside(self, tag: str) -> "Element | None":
        element = self.parent
        while element is not None and element.tag != tag:
            element = element.parent
        return element

    def get(self, name: str, default: str = "") -> str:
        return self.attributes.get(name, default)


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("document", {})
        self.open = self.root

    def handle_starttag(self, tag, attrs):
        element = Element(tag, {name: value if value is not None else "" for name, value in attrs}, self.open)
        self.open.children.append(element)
        if tag not in VOID:
            self.open = element

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID and self.open.tag == tag:
            self.open = self.open.parent or self.root

    def handle_endtag(self, tag):
        element = self.open
        while element is not None and element.tag != tag:
            element = element.parent
        if element is not None and element.parent is not None:
            self.open = element.parent

    def handle_data(self, data):
        self.open.children.append(data)


def parse(html: str) -> Element:
    builder = _Builder()
    builder.feed(html)
    builder.close()
    return builder.root


@dataclass
class Page:
    url: str
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def __post_init__(self) -> None:
        self.html = self.body.decode("utf-8", "replace")
        self.document = parse(self.html)

    @property
    def text(self) -> str:
        return self.document.text

    @property
    def path(self) -> str:
        return urllib.parse.urlsplit(self.url).path

    @property
    def headings(self) -> list[str]:
        return [heading.text for heading in self.document.find_all("h1", "h2", "h3")]

    def link(self, words: str) -> str:
        """The address of the link that reads `words`."""
        for anchor in self.document.find_all("a"):
            names = (anchor.text, anchor.get("aria-label"))
            if any(name.lower() == words.lower() for name in names) and anchor.get("href"):
                return anchor.get("href")
        links = [anchor.text for anchor in self.document.find_all("a")]
        raise AssertionError(f"no link {words!r} on {self.url}; there are {links}")

    def has_link(self, words: str) -> bool:
        return any(anchor.text.lower() == words.lower() for anchor in self.document.find_all("a"))

    def forms(self) -> list["Form"]:
        return [Form(self, element) for element in self.document.find_all("form")]

    def form(self, button: str | None = None, *, label: str | None = None) -> "Form":
        """The form that has such a button, or a field so labelled."""
        for form in self.forms():
            if button is not None and not form.has_button(button):
                continue
            if label is not None and form.field_by_label(label) is None:
                continue
            return form
        shown = [(form.labels(), form.buttons()) for form in self.forms()]
        raise AssertionError(
            f"no form with button {button!r}, label {label!r} on {self.url} ({self.status}); there are {shown}; "
            f"the page says: {self.text[:600]}")

    def has_form(self, button: str) -> bool:
        return any(form.has_button(button) for form in self.forms())


class Form:
    """A form's fields with what they hold now; hidden ones included, so that they are sent back."""

    def __init__(self, page: Page, element: Element):
        self.page = page
        self.element = element
        self.action = urllib.parse.urljoin(page.url, element.get("action") or page.url)
        self.method = (element.get("method") or "get").upper()
        self.values: list[tuple[str, str]] = []
        for control in self._controls():
            name = control.get("name")
            if not name or "disabled" in control.attributes:
                continue
            if control.tag == "input":
                kind = control.get("type", "text").lower()
                if kind in ("submit", "button", "image", "reset", "file"):
                    continue
                if kind in ("checkbox", "radio") and "checked" not in control.attributes:
                    continue
                self.values.append((name, control.get("value", "on" if kind in ("checkbox", "radio") else "")))
            elif control.tag == "textarea":
                self.values.append((name, control.text))
            elif control.tag == "select":
                options = control.find_all("option")
                chosen = [option for option in options if "selected" in option.attributes] or options[:1]
                for option in chosen:
                    self.values.append((name, option.get("value", option.text)))

    def _controls(self) -> list[Element]:
        own = self.element.find_all("input", "select", "textarea")
        form_id = self.element.get("id")
        if form_id:
            own += [control for control in self.page.document.find_all("input", "select", "textarea")
                    if control.get("form") == form_id and control not in own]
        return own

    def _button_elements(self) -> list[Element]:
        form_id = self.element.get("id")
        everywhere = self.page.document.find_all("button", "input")
        buttons = []
        for button in everywhere:
            if button.tag == "input" and button.get("type").lower() not in ("submit", "image"):
                continue
            if button.tag == "button" and button.get("type", "submit").lower() != "submit":
                continue
            owner = button.inside("form")
            if owner is self.element or (form_id and button.get("form") == form_id):
                buttons.append(button)
        return buttons

    @staticmethod
    def _words(button: Element) -> str:
        return button.get("value") if button.tag == "input" else button.text

    def buttons(self) -> list[str]:
        return [self._words(button) for button in self._button_elements()]

    def has_button(self, words: str) -> bool:
        return any(words.lower() == said.lower() for said in self.buttons())

    def labels(self) -> list[str]:
        return [label.text for label in self.element.find_all("label")]

    def field_by_label(self, words: str) -> Element | None:
        """The control whose real `<label>` reads `words` (an asterisk or a hint after it is allowed)."""
        def fits(said: str, exact: bool) -> bool:
            said = said.lower().strip(" *:")
            return said == words.lower() if exact else said.startswith(words.lower())

        for exact in (True, False):
            for label in self.page.document.find_all("label"):
                if not fits(label.text, exact):
                    continue
                target = label.get("for")
                for control in self._controls():
                    if (target and control.get("id") == target) or control.inside("label") is label:
                        return control
        return None

    def set(self, label: str, value: str) -> "Form":
        control = self.field_by_label(label)
        assert control is not None, f"no field labelled {label!r} on {self.page.url}; labels: {self.labels()}"
        return self.set_name(control.get("name"), value)

    def set_name(self, name: str, value: str) -> "Form":
        kept = [(known, old) for known, old in self.values if known != name]
        self.values = kept + [(name, value)]
        return self

    def drop(self, name: str) -> "Form":
        self.values = [(known, value) for known, value in self.values if known != name]
        return self

    def value(self, name: str) -> str | None:
        return dict(self.values).get(name)

    def controls_of_type(self, *kinds: str) -> list[Element]:
        return [control for control in self._controls() if control.get("type", "text").lower() in kinds]

    def press(self, words: str | None = None) -> tuple[str, str, list[tuple[str, str]]]:
        """Method, address and fields of the request that this button sends."""
        values = list(self.values)
        action, method = self.action, self.method
        for button in self._button_elements():
            if words is None or self._words(button).lower() == words.lower():
                assert "disabled" not in button.attributes, f"the button {words!r} is disabled"
                if button.get("name"):
                    values.append((button.get("name"), button.get("value")))
                if button.get("formaction"):
                    action = urllib.parse.urljoin(self.page.url, button.get("formaction"))
                method = (button.get("formmethod") or method).upper()
                break
        else:
            assert words is None, f"no button {words!r}; there are {self.buttons()}"
        return method, action, values


class Browser:
    """A person's browser, without scripts. `source` is the address that it calls from."""

    def __init__(self, base: str, *, tls: ssl.SSLContext | None = None, source: str = "127.0.0.1"):
        self.base = base
        self.tls = tls
        self.source = source
        self.cookies: dict[str, str] = {}
        self.cookie_lines: list[str] = []
        self.page: Page | None = None
        self.trail: list[tuple[str, int, str]] = []

    def request(self, method: str, url: str, *, body: bytes | None = None, headers: dict[str, str] | None = None,
                timeout: float = 60) -> Page:
        """One request, no redirect followed."""
        url = urllib.parse.urljoin(self.page.url if self.page else self.base, url)
        parts = urllib.parse.urlsplit(url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=self.tls,
                                                     source_address=(self.source, 0))
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout,
                                                    source_address=(self.source, 0))
        sent = {"Accept": "text/html,application/xhtml+xml", "User-Agent": "Mozilla/5.0 (X11; Linux) tests"}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method == "POST":
            # A browser says where a form comes from; servers may rely on it against forgery.
            sent["Origin"] = f"{parts.scheme}://{parts.netloc}"
            sent["Sec-Fetch-Site"] = "same-origin"
        sent.update(headers or {})
        target = parts.path or "/"
        if parts.query:
            target += "?" + parts.query
        try:
            connection.request(method, target, body=body, headers=sent)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            self._take_cookie(line)
        page = Page(url, answer.status, answer.headers, content)
        self.trail.append((method, answer.status, url))
        return page

    def _take_cookie(self, line: str) -> None:
        self.cookie_lines.append(line)
        pair, *rest = line.split(";")
        name, _, value = pair.strip().partition("=")
        lapsed = any(part.strip().lower() == "max-age=0" or "01 jan 1970" in part.lower() for part in rest)
        if lapsed or value == "":
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    def go(self, url: str) -> Page:
        return self._follow(self.request("GET", url))

    def _follow(self, page: Page) -> Page:
        for _ in range(8):
            if page.status not in (301, 302, 303, 307, 308):
                self.page = page
                return page
            self.page = page
            page = self.request("GET", page.headers["Location"])
        raise AssertionError(f"redirected in circles: {self.trail[-9:]}")

    def send(self, method: str, url: str, values: list[tuple[str, str]], *, follow: bool = True) -> Page:
        encoded = urllib.parse.urlencode(values)
        if method == "GET":
            page = self.request("GET", urllib.parse.urlsplit(url)._replace(query=encoded).geturl())
        else:
            page = self.request(method, url, body=encoded.encode(),
                                headers={"Content-Type": "application/x-www-form-urlencoded"})
        return self._follow(page) if follow else page

    def submit(self, form: Form, button: str | None = None, *, follow: bool = True) -> Page:
        return self.send(*form.press(button), follow=follow)

    def click(self, words: str) -> Page:
        assert self.page is not None
        return self.go(self.page.link(words))

    def fill_and_press(self, fields: dict[str, str], button: str) -> Page:
        assert self.page is not None
        form = self.page.form(button, label=next(iter(fields), None))
        for label, value in fields.items():
            form.set(label, value)
        return self.submit(form, button)
