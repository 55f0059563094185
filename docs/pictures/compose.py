"""Input, label and prediction of one picture, side by side; started by make.py with a Python that has Pillow."""

import sys

from PIL import Image

ZOOM, GAP = 2, 6


def main():
    """compose.py IMAGE LABEL PREDICTION TARGET: the label is coloured as the prediction is."""
    image, label, prediction = (Image.open(path) for path in sys.argv[1:4])
    label = label.convert("L")
    label.putpalette(prediction.getpalette())
    size = (image.width * ZOOM, image.height * ZOOM)
    whole = Image.new("RGB", (3 * size[0] + 2 * GAP, size[1]), "white")
    for place, part in enumerate((image, label, prediction)):
        whole.paste(part.convert("RGB").resize(size, Image.NEAREST), (place * (size[0] + GAP), 0))
    whole.quantize(128).save(sys.argv[4], optimize=True)


if __name__ == "__main__":
    main()
