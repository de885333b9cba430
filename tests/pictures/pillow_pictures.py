#!/usr/bin/env python
"""Reads Pillow's own test pictures with read_picture() and with Pillow, by hand:

    python tests/pictures/pillow_pictures.py pillow-13.0.0/Tests/images build/tests/pictures/decode_once

The pictures are in Pillow's source package (pip download --no-binary pillow --no-deps pillow==13.0.0) and aren't committed.
Each of our formats has to come out as Pillow reads it, or be refused with a reason. What differs otherwise has to stand in
DIFFERENT or REFUSED below, with its reason; anything else is printed and the exit status is 1.
"""
import collections
import io
import os
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from PIL import Image, ImageCms, ImageOps

FORMATS = {"PNG": "PNG", "JPEG": "JPEG", "MPO": "JPEG", "WEBP": "WebP", "GIF": "GIF", "BMP": "BMP"}
LEVELS = 2   # of 255, where an ICC profile is used: another lcms2 rounds otherwise

# Pictures that both read, and not alike: a pattern of their names, and why.
DIFFERENT = [
    (r"rgb16(-565)?\.bmp$", "stb_image widens 5 and 6 bits to 8 another way, by at most 1 of 255"),
    (r"pal8badindex\.bmp$", "indices beyond the palette: a broken file"),
]
# Pictures that Pillow reads and we don't: a pattern of our message, and why.
REFUSED = [
    (r"16 to 8192 pixels a side", "smaller than a reference may be"),
    (r"^BMP: expected uncompressed pixels", "RLE: no library of Debian that reads it is small (third_party/README.md)"),
    (r"^BMP: expected a header of Windows", "headers of OS/2, and palettes and headers of odd sizes: the same"),
    (r"^GIF: expected a whole and valid file", "codes of 11 bits, where the format has at most 8"),
]


def with_profile(image, profile):
    """As read_picture(): relative colorimetric with black point compensation; a profile that can't be used is passed over."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB",
                                         renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                                         flags=ImageCms.Flags.BLACKPOINTCOMPENSATION)
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")


def by_pillow(path):
    """-> format or None, RGB bytes [height, width, 3] or an error's text, whether a profile was used"""
    image = None
    try:
        image = Image.open(path)
        profile = image.info.get("icc_profile")
        kind = image.format
        if image.mode == "I;16":     # Pillow cuts all above 255 off
            wide, clear = np.asarray(image), image.info.get("transparency")
            image = Image.fromarray((wide >> 8).astype(np.uint8))
            if clear is not None:
                image.putalpha(Image.fromarray(np.where(wide == clear, 0, 255).astype(np.uint8)))
        image = ImageOps.exif_transpose(image)
        has_alpha = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "La", "RGBa")
        alpha = image.convert("RGBA").getchannel("A") if has_alpha else None
        if image.mode not in ("L", "RGB", "CMYK"):
            image = image.convert("L" if image.mode in ("1", "LA") else "RGBA" if has_alpha else "RGB")
            image = image.convert("RGB") if image.mode == "RGBA" else image
        rgb = with_profile(image, profile) if profile else image.convert("RGB")
        if alpha is not None:
            rgba = rgb.convert("RGBA")
            rgba.putalpha(alpha)
            rgb = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
        return kind, np.asarray(rgb), bool(profile)
    except Exception as error:   # Pillow raises many kinds
        return (image.format if image is not None else None), str(error) or type(error).__name__, False


def by_us(program, path):
    with tempfile.TemporaryDirectory() as folder:
        raw = os.path.join(folder, "raw")
        run = subprocess.run([program, path, raw], capture_output=True, text=True)
        outcome = run.stdout.split("\n")[0] if run.returncode == 0 else f"ended with {run.returncode}"
        size = re.fullmatch(r"(\d+)x(\d+)", outcome)
        if size is None:
            return outcome.replace(path + ": ", "")
        return np.fromfile(raw, np.uint8).reshape(int(size[2]), int(size[1]), 3)


def reason(table, text):
    return next((why for pattern, why in table if re.search(pattern, text)), None)


def main():
    folder, program = sys.argv[1:]
    warnings.simplefilter("ignore")
    counts, unexplained, reasons = collections.Counter(), [], collections.Counter()
    for path in sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names):
        name = os.path.relpath(path, folder)
        kind, theirs, profiled = by_pillow(path)
        if kind not in FORMATS and not name.lower().endswith((".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")):
            continue
        ours = by_us(program, path)
        if isinstance(theirs, str):
            outcome = "refused by both" if isinstance(ours, str) else "read by us alone"
            if "ended with" in str(ours):
                unexplained.append(f"{name}: {ours}")
        elif isinstance(ours, str):
            outcome = "refused by us alone"
            why = reason(REFUSED, ours)
            reasons[why] += 1
            if why is None or kind not in FORMATS:
                unexplained.append(f"{name}: {kind} {theirs.shape[1]}x{theirs.shape[0]}, {ours}")
        elif ours.shape == theirs.shape and np.abs(ours.astype(int) - theirs).max(initial=0) <= (LEVELS if profiled else 0):
            outcome = "equal"
        else:
            outcome = "different"
            why = reason(DIFFERENT, name)
            reasons[why] += 1
            if why is None:
                far = np.abs(ours.astype(int) - theirs).max() if ours.shape == theirs.shape else f"{ours.shape} {theirs.shape}"
                unexplained.append(f"{name}: differs by {far}")
        counts[FORMATS.get(kind, "?"), outcome] += 1
    for (kind, outcome), count in sorted(counts.items()):
        print(f"{kind:5} {outcome:20} {count}")
    for why, count in reasons.items():
        print(f"{count:3}  {why}")
    for line in unexplained:
        print(line)
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
