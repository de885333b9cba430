#!/usr/bin/env python
"""Write tests/pictures/goldens/: small picture files with the pixels that PIL reads from them, resized patterns by their
checksums, and the sizes that upstream gives references.

files/               the pictures; decoded.json says what each must become: its size and the CRC-32 of its RGB bytes, or, where
                     colours are computed in floats, another file `expected` (PNG) and how many levels may lie between
resize.json          tests/pictures/pattern.h's picture, resized: the CRC-32 of the result, and one row of it from the middle
sizes.json           smart_resize: named sizes one by one, and the CRC-32 of the results for all pairs of many sides

Needs cjpeg (libjpeg-turbo-progs) for the kinds of JPEG that PIL doesn't write.
"""
import inspect
import io
import json
import os
import struct
import subprocess
import warnings
import zlib

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageCms, ImageOps
from torchvision.transforms.v2 import functional as tvF
from transformers.models.glm_image import image_processing_glm_image as upstream

from run_oracle import versions

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDENS = os.path.join(HERE, "../../tests/pictures/goldens")
FILES = os.path.join(GOLDENS, "files")


def write(name, values):
    header = {"made_by": "weights_tools/reference/make_picture_goldens.py",
              "versions": {**versions(), "torchvision": torchvision.__version__, "pillow": PIL.__version__}}
    with open(os.path.join(GOLDENS, name), "w") as f:
        rows = {key: value if not isinstance(value, list) else "@" + key for key, value in values.items()}
        text = json.dumps({**header, **rows}, indent=1)
        for key, value in values.items():      # a list's entries take a line each
            if isinstance(value, list):
                lines = ",\n  ".join(json.dumps(entry) for entry in value)
                text = text.replace(f'"@{key}"', f"[\n  {lines}\n ]")
        f.write(text + "\n")


def crc(array):
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def pattern(width, height):
    """As tests/pictures/pattern.h: squares of noise, of a slope, and of black and white lines."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3].astype(np.uint32)
    noise = ((x * 73856093) ^ (y * 19349663) ^ (c * 83492791)) * np.uint32(2654435761) >> 24
    slope = (x * 3 + y * 5 + c * 40) & 255
    lines = ((x // (c + 1) + y) & 1) * 255
    kind = (x // 24 + y // 16) % 3
    return np.where(kind == 0, noise, np.where(kind == 1, slope, lines)).astype(np.uint8)


# ---------------------------------------------------------------------------------------------------- resizing

NAMED = [(1080, 1920), (1920, 1080), (500, 500), (720, 1280), (4000, 3000), (17, 900), (16, 8192), (528, 528),
         (1000, 1000), (544, 544), (1024, 576), (640, 480), (16, 16), (32, 48), (2048, 2048), (256, 1024)]
OTHERS = [(2, 3, 9, 4), (16, 16, 16, 16), (50, 40, 50, 17), (50, 40, 17, 40), (50, 40, 99, 40),
          (50, 40, 50, 99), (33, 47, 34, 48), (64, 64, 63, 65), (100, 3, 3, 100), (255, 257, 128, 128), (311, 200, 37, 199),
          (90, 1200, 64, 80), (1200, 90, 80, 64), (97, 89, 512, 480), (640, 480, 641, 481), (13, 11, 208, 176),
          (500, 333, 16, 16), (129, 65, 96, 160), (801, 601, 400, 304), (31, 31, 1000, 992), (8, 8192, 16, 1024),
          (1021, 1031, 512, 512), (75, 75, 50, 50), (3, 1000, 700, 5), (224, 224, 448, 448), (448, 448, 224, 224)]


def unlimited_smart_resize():
    source = inspect.getsource(upstream.smart_resize)
    assert source.count("> 4:") == 1
    names = {"math": upstream.math}
    exec(source.replace("> 4:", "> 1e9:"), names)
    return names["smart_resize"]


def resized():
    smart_resize = unlimited_smart_resize()
    cases = []
    for width, height in NAMED:
        rows, columns = smart_resize(height, width)
        cases.append((width, height, columns, rows))                                     # the vision tower's
        cases.append((width, height, max(16, width // 16 * 16), max(16, height // 16 * 16)))  # the VAE's, upstream's rule
        cases.append((width, height, columns * 2, rows * 2))                             # the VAE's, by the grid
    cases = sorted(set(cases + OTHERS))
    entries = []
    for in_width, in_height, width, height in cases:
        picture = pattern(in_width, in_height)
        tensor = torch.from_numpy(picture).permute(2, 0, 1).contiguous()
        bicubic = tvF.resize(tensor, [height, width], interpolation=tvF.InterpolationMode.BICUBIC, antialias=True)
        bicubic = bicubic.permute(1, 2, 0).contiguous().numpy()
        lanczos = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
        row = height // 2
        entries.append({"from": [in_width, in_height], "to": [width, height],
                        "bicubic": crc(bicubic), "bicubic_row": bicubic[row, :6].ravel().tolist(),
                        "lanczos": crc(lanczos), "lanczos_row": lanczos[row, :6].ravel().tolist()})
    write("resize.json", {"resized": entries})


# ---------------------------------------------------------------------------------------------------- sizes

def sizes():
    smart_resize = unlimited_smart_resize()
    rules = {"public": dict(factor=16, min_pixels=512 * 512, max_pixels=2048 * 2048),
             "small": dict(factor=16, min_pixels=128 * 128, max_pixels=512 * 512),
             "odd": dict(factor=28, min_pixels=56 * 56, max_pixels=28 * 28 * 1280)}
    sides = sorted(set(range(32, 8192, 61)) | {16, 17, 31, 33, 511, 512, 513, 2047, 2048, 2049, 8191, 8192})
    named = []
    for name, rule in rules.items():
        for width, height in NAMED + [(90, 60), (8192, 4096), (4096, 8192), (333, 999), (8192, 16), (900, 17), (2050, 1025),
                                      (1024, 1024), (768, 1024), (512, 640), (2048, 512), (1536, 2048)]:
            if min(width, height) < rule["factor"]:
                continue
            rows, columns = smart_resize(height, width, **rule)
            try:
                allowed = (rows, columns) == upstream.smart_resize(height, width, **rule)
            except ValueError:
                allowed = False
            # the pipeline floors the VAE's sides to decoder patches of 16 pixels; a token is two
            vae = [width // 16 * 16, height // 16 * 16]
            works = allowed and vae == [2 * 16 * (columns // rule["factor"]), 2 * 16 * (rows // rule["factor"])]
            named.append({"rule": name, "size": [width, height], "vision": [columns, rows],
                          "vae": vae if works else None})
    checks = {}
    for name, rule in rules.items():
        kept = [side for side in sides if side >= rule["factor"]]
        results = [smart_resize(h, w, **rule) for w in kept for h in kept]
        checks[name] = crc(np.array([(w, h) for h, w in results], dtype="<i4"))
    write("sizes.json", {"rules": rules, "sides": sides, "checksums": checks, "named": named})


# ---------------------------------------------------------------------------------------------------- files

def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, bits, colour, rows, before_data=b"", after_data=b""):
    """rows: bytes of each row, unfiltered."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before_data + chunk(b"IDAT", data) + after_data +
            chunk(b"IEND", b""))


def interlaced_png(pixels):
    """Adam7's seven passes over RGB."""
    data = b""
    for x, y, step_x, step_y in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        for row in pixels[y::step_y, x::step_x]:
            data += b"\0" + row.tobytes() if row.size else b""
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 1)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def exif(orientation, big_endian=False):
    order = ">" if big_endian else "<"
    entries = struct.pack(order + "HHIHH", 0x0100, 3, 1, 999, 0) + struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return (b"MM" if big_endian else b"II") + struct.pack(order + "HIH", 42, 8, 2) + entries + struct.pack(order + "I", 0)


def s15(value):
    return struct.pack(">i", round(value * 65536))


def icc(space, tags, kind=b"mntr", pcs=b"XYZ "):
    """A version 2 profile of these tags, a list of (name, data)."""
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, tag in tags:
        tag += b"\0" * (-len(tag) % 4)
        table += name + struct.pack(">II", start + len(data), len(tag))
        data += tag
    size = start + len(data)
    header = (struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x02400000, kind, space, pcs) + b"\0" * 12 + b"acsp" +
              b"\0" * 28 + s15(0.9642) + s15(1.0) + s15(0.8249) + b"\0" * 48)
    assert len(header) == 128
    return header + struct.pack(">I", len(tags)) + table + data


def text_tag(text):
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" * 1 + b"\0" * 78


def curve(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def xyz(x, y, z):
    return b"XYZ \0\0\0\0" + s15(x) + s15(y) + s15(z)


def wide_rgb_profile():
    """Adobe RGB's primaries and a gamma of 2.2: far enough from sRGB to be seen."""
    return icc(b"RGB ", [(b"desc", text_tag(b"wide")), (b"wtpt", xyz(0.9642, 1.0, 0.8249)),
                         (b"rXYZ", xyz(0.6097, 0.3111, 0.0195)), (b"gXYZ", xyz(0.2053, 0.6257, 0.0609)),
                         (b"bXYZ", xyz(0.1492, 0.0632, 0.7446)),
                         (b"rTRC", curve(2.2)), (b"gTRC", curve(2.2)), (b"bTRC", curve(2.2))])


def grey_profile():
    return icc(b"GRAY", [(b"desc", text_tag(b"grey")), (b"wtpt", xyz(0.9642, 1.0, 0.8249)), (b"kTRC", curve(1.0))])


def cmyk_profile():
    """A table of two points an axis: paper white to ink in Lab."""
    table = []
    for corner in range(16):
        c, m, y, k = (corner >> 3 & 1, corner >> 2 & 1, corner >> 1 & 1, corner & 1)
        lightness = max(0.0, 95 - 40 * c - 45 * m - 8 * y - 80 * k)
        table += [round(lightness * 652.8), round((128 - 35 * c + 60 * m) * 256), round((128 - 45 * c + 70 * y) * 256)]
    lut = (b"mft2\0\0\0\0" + struct.pack(">BBBB", 4, 3, 2, 0) + b"".join(s15(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)) +
           struct.pack(">HH", 2, 2) + struct.pack(">HH", 0, 65535) * 4 + struct.pack(f">{len(table)}H", *table) +
           struct.pack(">HH", 0, 65535) * 3)
    return icc(b"CMYK", [(b"desc", text_tag(b"inks")), (b"wtpt", xyz(0.9642, 1.0, 0.8249)), (b"A2B0", lut)],
               kind=b"prtr", pcs=b"Lab ")


def over_white(rgba):
    white = Image.new("RGBA", rgba.size, "white")
    return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))


class Decoded:
    def __init__(self):
        os.makedirs(FILES, exist_ok=True)
        for name in os.listdir(FILES):
            os.remove(os.path.join(FILES, name))
        self.entries = []

    def add(self, name, data, expected=None, levels=None):
        """expected: RGB bytes [height, width, 3]; None: what PIL's convert("RGB") gives."""
        with open(os.path.join(FILES, name), "wb") as f:
            f.write(data)
        if expected is None:
            expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        entry = {"file": name, "size": [expected.shape[1], expected.shape[0]]}
        if levels is None:
            entry["crc"] = crc(expected)
        else:
            reference = f"{name}.expected.png"
            Image.fromarray(expected).save(os.path.join(FILES, reference), optimize=True)
            entry |= {"expected": reference, "levels": levels}
        self.entries.append(entry)


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def cjpeg(image, *options):
    return subprocess.run(["cjpeg", "-quality", "85", *options], input=saved(image, "PPM"), capture_output=True,
                          check=True).stdout


def to_srgb(image, profile):
    return np.asarray(ImageCms.profileToProfile(image, io.BytesIO(profile), ImageCms.createProfile("sRGB"),
                                                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB",
                                                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION))


def add_png(decoded, rgb, rgba):
    for name, image in (("rgb", rgb), ("palette", rgb.quantize(13)), ("grey", rgb.convert("L")),
                        ("bit", rgb.convert("1")), ("two_bits", rgb.quantize(4))):
        decoded.add(f"{name}.png", saved(image, "PNG"))
    decoded.add("rgba.png", saved(rgba, "PNG"), over_white(rgba))
    grey_alpha = rgba.convert("LA")
    decoded.add("grey_alpha.png", saved(grey_alpha, "PNG"), over_white(grey_alpha.convert("RGBA")))
    keyed = rgb.quantize(9)
    decoded.add("palette_clear.png", saved(keyed, "PNG", transparency=bytes([0, 128, 255, 7])),
                over_white(Image.open(io.BytesIO(saved(keyed, "PNG", transparency=bytes([0, 128, 255, 7])))).convert("RGBA")))
    wide = (pattern(21, 19).astype(np.uint32) * 251 + np.arange(21 * 19 * 3).reshape(19, 21, 3) * 17) % 65536
    decoded.add("rgb16.png", png(21, 19, 16, 2, [row.astype(">u2").tobytes() for row in wide]))
    # of grey PIL cuts all above 255 off instead of taking the higher byte
    decoded.add("grey16.png", png(21, 19, 16, 0, [row[:, 0].astype(">u2").tobytes() for row in wide]),
                np.repeat((wide[:, :, :1] >> 8).astype(np.uint8), 3, axis=2))
    small = pattern(20, 18)
    small[3:6, 4:9] = (10, 20, 30)
    decoded.add("interlaced.png", interlaced_png(small))
    clear = small.copy()
    clear[3:6, 4:9] = 255
    decoded.add("clear_colour.png", png(20, 18, 8, 2, [row.tobytes() for row in small],
                                        chunk(b"tRNS", struct.pack(">HHH", 10, 20, 30))), clear)
    for order in (False, True):
        for orientation in ((6, 7) if order else (8,)):
            data = png(20, 18, 8, 2, [row.tobytes() for row in small], chunk(b"eXIf", exif(orientation, order)))
            decoded.add(f"exif{orientation}.png", data, np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))
    data = png(20, 18, 8, 2, [row.tobytes() for row in small], after_data=chunk(b"eXIf", exif(3)))
    decoded.add("exif3_late.png", data, np.asarray(Image.fromarray(small).transpose(Image.Transpose.ROTATE_180)))


def add_jpeg(decoded, rgb):
    for name, options in (("444", dict(subsampling=0)), ("422", dict(subsampling=1)), ("420", dict(subsampling=2)),
                          ("progressive", dict(progressive=True)), ("rgb", dict(keep_rgb=True)),
                          ("restarts", dict(restart_marker_blocks=3))):
        decoded.add(f"{name}.jpg", saved(rgb, "JPEG", quality=85, **options))
    decoded.add("grey.jpg", saved(rgb.convert("L"), "JPEG", quality=85))
    decoded.add("cmyk.jpg", saved(rgb.convert("CMYK"), "JPEG", quality=85))
    inks = bytearray(saved(rgb.resize((24, 17)).convert("CMYK"), "JPEG", quality=85))
    inks[inks.index(b"Adobe") + 11] = 2      # the same numbers taken for YCCK
    decoded.add("ycck.jpg", bytes(inks))
    for name, options in (("440", ("-sample", "1x2")), ("411", ("-sample", "4x1")), ("arithmetic", ("-arithmetic",)),
                          ("blue_fine", ("-sample", "1x1,1x1,2x2"))):
        decoded.add(f"{name}.jpg", cjpeg(rgb, *options))
    small = Image.fromarray(pattern(24, 17))
    for orientation in range(1, 9):
        data = saved(small, "JPEG", quality=70, exif=b"Exif\0\0" + exif(orientation, orientation % 2 == 0))
        decoded.add(f"exif{orientation}.jpg", data, np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))


def animated_webp(small):
    """Frames of 20x18 at (4, 6) of a canvas of 40x30; what the first leaves free is transparent."""
    payload = saved(small, "WEBP", lossless=True)[12:]
    frame = struct.pack("<I", 2)[:3] + struct.pack("<I", 3)[:3] + struct.pack("<I", 19)[:3] + struct.pack("<I", 17)[:3]
    frame += struct.pack("<I", 100)[:3] + b"\0" + payload
    body = b"WEBP" + b"VP8X" + struct.pack("<IB3x", 10, 2) + struct.pack("<I", 39)[:3] + struct.pack("<I", 29)[:3]
    body += b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    for _ in range(2):
        body += b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def add_others(decoded, rgb, rgba):
    for name, image, options in (("lossless", rgb, dict(lossless=True)), ("lossy", rgb, dict(quality=80))):
        decoded.add(f"{name}.webp", saved(image, "WEBP", **options))
    data = saved(rgba, "WEBP", lossless=True, exact=True)
    decoded.add("rgba.webp", data, over_white(rgba))
    data = saved(rgba, "WEBP", quality=80)
    decoded.add("rgba_lossy.webp", data, over_white(Image.open(io.BytesIO(data)).convert("RGBA")))
    small = Image.fromarray(pattern(20, 18))
    data = saved(small, "WEBP", lossless=True, exif=b"Exif\0\0" + exif(5))
    decoded.add("exif5.webp", data, np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))
    canvas = np.full((30, 40, 3), 255, np.uint8)
    canvas[6:24, 4:24] = np.asarray(small)
    decoded.add("animated.webp", animated_webp(small), canvas)
    for interlace in (0, 1):
        decoded.add(f"interlace{interlace}.gif", saved(rgb.quantize(60), "GIF", interlace=interlace))
    few = small.quantize(5)
    data = bytearray(saved(few, "GIF", transparency=1, interlace=0))
    decoded.add("clear.gif", bytes(data), over_white(Image.open(io.BytesIO(bytes(data))).convert("RGBA")))
    frames = saved(few, "GIF", save_all=True, append_images=[few.transpose(Image.Transpose.FLIP_TOP_BOTTOM)], interlace=0)
    decoded.add("animated.gif", frames)
    descriptor = bytearray(saved(few, "GIF", interlace=0))
    at = descriptor.index(b"\x2c\0\0\0\0" + struct.pack("<HH", 20, 18))
    descriptor[6:10] = struct.pack("<HH", 40, 30)
    descriptor[at + 1:at + 5] = struct.pack("<HH", 4, 6)
    canvas[6:24, 4:24] = np.asarray(few.convert("RGB"))
    decoded.add("offset.gif", bytes(descriptor), canvas)
    decoded.add("rgb.bmp", saved(small, "BMP"))
    decoded.add("palette.bmp", saved(small.quantize(256), "BMP"))
    decoded.add("bit.bmp", saved(small.convert("1"), "BMP"))
    flipped = bytearray(saved(small, "BMP"))
    flipped[22:26] = struct.pack("<i", -18)
    decoded.add("top_down.bmp", bytes(flipped))
    rows = np.asarray(small)[::-1, :, ::-1].tobytes()
    core = b"BM" + struct.pack("<IHHI", 26 + len(rows), 0, 0, 26) + struct.pack("<IHHHH", 12, 20, 18, 1, 24) + rows
    decoded.add("core.bmp", core)
    x = np.dstack([np.asarray(small)[::-1, :, ::-1], np.arange(20 * 18, dtype=np.uint32).reshape(18, 20) % 256])
    unused = b"BM" + struct.pack("<IHHI", 54 + 1440, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 20, 18, 1, 32, 0, 1440, 0, 0, 0, 0)
    decoded.add("unused_byte.bmp", unused + x.astype(np.uint8).tobytes(), np.asarray(small))
    masks = struct.pack("<IIII", 0xff0000, 0xff00, 0xff, 0xff000000) + b"BGRs" + bytes(48)
    fields = b"BM" + struct.pack("<IHHI", 122 + 1440, 0, 0, 122) + struct.pack("<IiiHHIIiiII", 108, 20, 18, 1, 32, 3, 1440, 0, 0, 0, 0)
    data = fields + masks + x.astype(np.uint8).tobytes()
    decoded.add("alpha.bmp", data, over_white(Image.open(io.BytesIO(data)).convert("RGBA")))


def exif_of(entry, order="<", rest=b""):
    """EXIF data of one entry, 12 bytes, and of what it points to, which begins at byte 26."""
    return (b"MM" if order == ">" else b"II") + struct.pack(order + "HIH", 42, 8, 1) + entry + struct.pack(order + "I", 0) + rest


def xmp(orientation, element=False):
    inside = f"><tiff:Orientation>{orientation}</tiff:Orientation></x>" if element else f' tiff:Orientation="{orientation}"/>'
    return b"<?xpacket?><x:xmpmeta xmlns:tiff='http://ns.adobe.com/tiff/1.0/'><x" + inside.encode() + b"</x:xmpmeta>"


def segment(data):
    return b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data


def add_orientations(decoded):
    """Wherever an orientation may stand, and in whatever type: as exif_transpose takes it."""
    def upright(data):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))

    def add(name, data):
        decoded.add(name, data, upright(data))

    plain = saved(Image.fromarray(pattern(24, 17)), "JPEG", quality=70)

    def jpeg(*segments):
        return plain[:2] + b"".join(map(segment, segments)) + plain[2:]

    tag = 0x0112
    entries = {
        "long": exif_of(struct.pack("<HHII", tag, 4, 1, 6)),
        "long_big_endian": exif_of(struct.pack(">HHII", tag, 4, 1, 6), ">"),
        "directory": exif_of(struct.pack("<HHII", tag, 13, 1, 8)),
        "signed_byte": exif_of(struct.pack("<HHIb3x", tag, 6, 1, 5)),
        "signed_short": exif_of(struct.pack("<HHIhh", tag, 8, 1, 7, 0)),
        "signed_long": exif_of(struct.pack(">HHIi", tag, 9, 1, 2), ">"),
        "float": exif_of(struct.pack("<HHIf", tag, 11, 1, 6.0)),
        "half": exif_of(struct.pack("<HHIf", tag, 11, 1, 6.5)),
        "double": exif_of(struct.pack(">HHII", tag, 12, 1, 26), ">", struct.pack(">d", 3.0)),
        "rational": exif_of(struct.pack("<HHII", tag, 5, 1, 26), "<", struct.pack("<II", 12, 2)),
        "signed_rational": exif_of(struct.pack("<HHII", tag, 10, 1, 26), "<", struct.pack("<ii", -16, -2)),
        "long8": exif_of(struct.pack(">HHII", tag, 16, 1, 26), ">", struct.pack(">Q", 6)),
        "two_shorts": exif_of(struct.pack("<HHIHH", tag, 3, 2, 6, 1)),
        "three_longs": exif_of(struct.pack("<HHII", tag, 4, 3, 26), "<", struct.pack("<III", 8, 1, 1)),
        "byte": exif_of(struct.pack("<HHIB3x", tag, 1, 1, 6)),
        "text": exif_of(struct.pack("<HHI4s", tag, 2, 2, b"6")),
        "undefined": exif_of(struct.pack("<HHIB3x", tag, 7, 1, 6)),
        "negative": exif_of(struct.pack("<HHIi", tag, 9, 1, -6)),
    }
    for name, data in entries.items():
        add(f"orientation_{name}.jpg", jpeg(b"Exif\0\0" + data))
    adobe = b"http://ns.adobe.com/xap/1.0/\0"
    nothing = exif_of(struct.pack("<HHIHH", 0x0100, 3, 1, 999, 0))
    unknown = exif_of(struct.pack("<HHII", tag, 99, 1, 6))
    outside = exif_of(struct.pack("<HHII", tag, 5, 1, 4000))
    add("orientation_xmp.jpg", jpeg(adobe + xmp(6)))
    add("orientation_xmp_element.jpg", jpeg(adobe + xmp(8, element=True)))
    add("orientation_xmp_before_exif.jpg", jpeg(adobe + xmp(6), b"Exif\0\0" + exif(3)))
    add("orientation_xmp_beside_exif.jpg", jpeg(b"Exif\0\0" + nothing, adobe + xmp(5)))
    add("orientation_xmp_beside_unknown_type.jpg", jpeg(b"Exif\0\0" + unknown, adobe + xmp(5)))
    add("orientation_xmp_beside_text.jpg", jpeg(b"Exif\0\0" + entries["text"], adobe + xmp(5)))
    add("orientation_xmp_beside_exif_9.jpg", jpeg(b"Exif\0\0" + exif(9), adobe + xmp(5)))
    add("orientation_xmp_9.jpg", jpeg(adobe + xmp(9)))
    add("orientation_two_segments.jpg", jpeg(b"Exif\0\0" + exif(6)[:13], b"Exif\0\0" + exif(6)[13:]))
    add("orientation_two_exifs.jpg", jpeg(b"Exif\0\0" + exif(6), b"Exif\0\0" + exif(3)))
    add("orientation_name_twice.jpg", jpeg(b"Exif\0\0Exif\0\0" + exif(6)))
    add("orientation_outside.jpg", jpeg(b"Exif\0\0" + outside, adobe + xmp(1)))
    def behind(entry):
        return b"II" + struct.pack("<HIH", 42, 8, 2) + entry + struct.pack("<HHIHHI", tag, 3, 1, 6, 0, 0)

    for name, data in (("big_tiff", exif(6).replace(b"*", b"+", 1)),
                       ("no_magic", exif(6).replace(b"*", b"\0", 1)),
                       ("swapped_magic", exif(6).replace(b"*\0", b"\0*", 1)),
                       ("cut_end", exif(6)[:-4]),
                       ("cut_entry", exif(6)[:-6]),
                       ("behind_outside", behind(struct.pack("<HHII", 0x010F, 2, 20, 30))),
                       ("behind_large", behind(struct.pack("<HHII", 0x010F, 2, 9999, 30)))):
        add(f"orientation_{name}.jpg", jpeg(b"Exif\0\0" + data))
    add("orientation_xmp_beside_garbage.jpg", jpeg(b"Exif\0\0garbage", adobe + xmp(6)))
    add("orientation_xmp_beside_name.jpg", jpeg(b"Exif\0\0", adobe + xmp(6)))

    rows = [row.tobytes() for row in pattern(20, 18)]
    profile = b"Exif\0\0" + exif(6)
    text = b"\nexif\n%8d\n" % len(profile) + b"".join(profile.hex().encode()[i:i + 72] + b"\n" for i in range(0, 2 * len(profile), 72))
    itxt = b"XML:com.adobe.xmp\0"
    for name, data in (("text", chunk(b"tEXt", b"Raw profile type exif\0" + text)),
                       ("ztext", chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))),
                       ("itext", chunk(b"iTXt", b"Raw profile type exif\0\0\0\0\0" + text)),
                       ("xmp", chunk(b"iTXt", itxt + b"\0\0\0\0" + xmp(8))),
                       ("xmp_compressed", chunk(b"iTXt", itxt + b"\1\0\0\0" + zlib.compress(xmp(7, element=True)))),
                       ("xmp_text", chunk(b"tEXt", itxt + xmp(5))),
                       ("long", chunk(b"eXIf", entries["long"])),
                       ("text_and_exif", chunk(b"tEXt", b"Raw profile type exif\0" + text) + chunk(b"eXIf", exif(3))),
                       ("prefixed", chunk(b"eXIf", b"Exif\0\0" + exif(6))),
                       ("two_chunks", chunk(b"eXIf", exif(6)) + chunk(b"eXIf", exif(3))),
                       ("xmp_beside_empty", chunk(b"eXIf", b"") + chunk(b"iTXt", itxt + b"\0\0\0\0" + xmp(8)))):
        add(f"orientation_{name}.png", png(20, 18, 8, 2, rows, before_data=data))
    add("orientation_xmp_late.png", png(20, 18, 8, 2, rows, after_data=chunk(b"iTXt", itxt + b"\0\0\0\0" + xmp(8))))
    add("orientation_two_chunks_late.png",
        png(20, 18, 8, 2, rows, before_data=chunk(b"eXIf", exif(6)), after_data=chunk(b"eXIf", exif(3))))
    small = Image.fromarray(pattern(20, 18))
    add("orientation_xmp.webp", saved(small, "WEBP", lossless=True, xmp=xmp(6)))
    add("orientation_long.webp", saved(small, "WEBP", lossless=True, exif=b"Exif\0\0" + entries["long"]))


def add_profiles(decoded, rgb):
    """lcms2 of another version rounds otherwise: a few levels."""
    profile = wide_rgb_profile()
    small = rgb.resize((32, 24))
    decoded.add("wide.png", saved(small, "PNG", icc_profile=profile), to_srgb(small, profile), levels=2)
    data = saved(small, "JPEG", quality=90, icc_profile=profile)
    decoded.add("wide.jpg", data, to_srgb(Image.open(io.BytesIO(data)), profile), levels=2)
    decoded.add("wide.webp", saved(small, "WEBP", lossless=True, icc_profile=profile), to_srgb(small, profile), levels=2)
    alpha = small.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(small.size))
    converted = Image.fromarray(to_srgb(small, profile)).convert("RGBA")
    converted.putalpha(alpha.getchannel("A"))
    decoded.add("wide_rgba.png", saved(alpha, "PNG", icc_profile=profile), over_white(converted), levels=2)
    grey = small.convert("L")
    decoded.add("grey_profile.png", saved(grey, "PNG", icc_profile=grey_profile()), to_srgb(grey, grey_profile()), levels=2)
    data = saved(small.convert("CMYK"), "JPEG", quality=90, icc_profile=cmyk_profile())
    decoded.add("inks.jpg", data, to_srgb(Image.open(io.BytesIO(data)), cmyk_profile()), levels=2)
    # Of another colour space than the pixels, and of no use at all: passed over.
    decoded.add("other_space.png", saved(small, "PNG", icc_profile=grey_profile()), np.asarray(small))
    decoded.add("no_profile.webp", saved(small, "WEBP", lossless=True, icc_profile=b"not a profile" * 20), np.asarray(small))


def files():
    decoded = Decoded()
    rgb = Image.fromarray(pattern(61, 43))
    rgba = rgb.convert("RGBA")
    y, x = np.mgrid[0:43, 0:61]
    rgba.putalpha(Image.fromarray(((x * 5 + y * 3) % 256).astype(np.uint8)))
    add_png(decoded, rgb, rgba)
    add_jpeg(decoded, rgb)
    add_others(decoded, rgb, rgba)
    add_orientations(decoded)
    add_profiles(decoded, rgb)
    write("decoded.json", {"decoded": decoded.entries})


def main():
    for make in (resized, sizes, files):
        make()


if __name__ == "__main__":
    main()
