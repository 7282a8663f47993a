"""A page of the viewer in headless Chromium, as tests use it."""

import base64
from pathlib import Path
from typing import Any

import numpy as np

READ_CANVAS = """([id, x, y, width, height]) => {
  const canvas = document.getElementById(id);
  const { data } = canvas.getContext("2d").getImageData(x, y, width, height);
  let text = "";
  for (const byte of data) text += String.fromCharCode(byte);
  return btoa(text);
}"""

DROP = """([names, contents]) => {
  const transfer = new DataTransfer();
  names.forEach((name, i) => {
    const bytes = Uint8Array.from(atob(contents[i]), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: name.endsWith(".png") ? "image/png" : "" }));
  });
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


class Tab:
    """An open page, and what it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1000, "height": 700}, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)  # of machines that are busy with other work
        self.complaints: list[str] = []
        self.page.on("console", self._logged)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)
        self.path = path
        self.page.goto(path.as_uri())

    def _logged(self, message: Any) -> None:
        if "willReadFrequently" not in message.text:  # advice about the pixels that tests read
            self.complaints.append(message.text)

    def _asked(self, request: Any) -> None:
        own = request.url == self.path.as_uri() or request.url.startswith(("blob:", "data:"))
        if not own:
            self.complaints.append(request.url)

    def drop(self, *paths: Path) -> None:
        contents = [base64.b64encode(path.read_bytes()).decode() for path in paths]
        self.page.evaluate(DROP, [[path.name for path in paths], contents])

    def shows(self, *names: str) -> None:
        """Waits until files are shown, and everything visible is sharp."""
        self.page.wait_for_selector(f'#name:text-is("{"  |  ".join(names)}")')
        self.is_sharp()

    def is_sharp(self) -> None:
        self.page.wait_for_selector("body[data-state=sharp]")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.is_sharp()

    def raster(self) -> tuple[int, int, int, int]:
        """(x, y, width, height) of the whole picture on the stage."""
        x, y, width, height = map(int, self.page.evaluate("document.body.dataset.raster").split(","))
        return x, y, width, height

    def pixels(self, side: str = "a") -> np.ndarray:
        """The whole picture [height, width, 4] as it stands on the canvas of a side."""
        x, y, width, height = self.raster()
        data = base64.b64decode(self.page.evaluate(READ_CANVAS, [f"canvas-{side}", x, y, width, height]))
        return np.frombuffer(data, np.uint8).reshape(height, width, 4)

    def close(self) -> None:
        self.context.close()
        assert not self.complaints, self.complaints
