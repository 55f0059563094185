"""One curve, drawn by plotext in braille."""

from __future__ import annotations

from textual_plotext import PlotextPlot

from jobctl.watch.curves import Curve


class Chart(PlotextPlot):
    """In the terminal's own colours: a curve alone needs none."""

    def __init__(self, name: str, label: str) -> None:
        super().__init__(id=name)
        self._label = label
        self._shown: Curve | None = None
        self.theme = "clear"

    def show(self, curve: Curve) -> None:
        """Drawn again only where it has changed."""
        if curve == self._shown:
            return
        self._shown = curve
        plot = self.plt
        plot.clear_data()
        plot.clear_figure()
        plot.title(f"{self._label} {curve.y[-1]:.4f}" if curve.y else f"{self._label}: nothing yet")
        if curve.y:
            if len(curve.x) == 1:
                plot.scatter(list(curve.x), list(curve.y), marker="braille")
            else:
                plot.plot(list(curve.x), list(curve.y), marker="braille")
        plot.xfrequency(3)
        plot.yfrequency(3)
        self.refresh()
