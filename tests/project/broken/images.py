"""Images that cannot be used: files that are not there, are damaged, lie, or are no volume."""

from __future__ import annotations

import gzip
import os
import re
import struct
from typing import TYPE_CHECKING

import numpy as np

from tests.project.broken.kind import Kinds, values, write_volume

if TYPE_CHECKING:
    from tests.project.broken.kind import Cells, Place

IMAGES = Kinds()
kind = IMAGES.add


@kind("image-absent", "image file does not exist")
def _(place: Place) -> Cells:
    return place.image(place.path(".nii.gz"))


@kind("image-outside", "image file does not exist")
def _(place: Place) -> Cells:
    return {"image": f"../../../../../../../../../../nowhere/{place.path('.nii.gz').name}"}


@kind("image-outside-folder", "image does not exist")
def _(place: Place) -> Cells:
    return {"image": f"../../../../../../../../../../nowhere/{place.path('').name}"}


@kind("image-is-folder", "image file does not exist")
def _(place: Place) -> Cells:
    place.path(".nii.gz").mkdir()
    return place.image(place.path(".nii.gz"))


@kind("image-link-to-itself", "image file does not exist")
def _(place: Place) -> Cells:
    place.path(".nrrd").symlink_to(place.path(".nrrd"))
    return place.image(place.path(".nrrd"))


@kind("image-pipe", "image is a pipe or device")
def _(place: Place) -> Cells:
    os.mkfifo(place.path(".nii"))
    return place.image(place.path(".nii"))


@kind("image-name-too-long", "image file cannot be reached", "name too long")
def _(place: Place) -> Cells:
    return place.image(place.path("x" * 300 + ".nii"))


@kind("image-picture", "image file is neither DICOM nor of an ending that is read")
def _(place: Place) -> Cells:
    path = place.path(".jpg")
    path.write_bytes(b"\xff\xd8\xff\xe0" + b"picture" * 100)
    return place.image(path)


@kind("image-of-no-bytes", "image file cannot be read", "it does not hold what its ending says")
def _(place: Place) -> Cells:
    path = place.path(".nii.gz")
    path.write_bytes(b"")
    return place.image(path)


@kind("image-noise", "image file cannot be read", "it does not hold what its ending says")
def _(place: Place) -> Cells:
    path = place.path(".nii")
    path.write_bytes(np.random.default_rng(1).bytes(3000))
    return place.image(path)


@kind("image-text", "image file cannot be read", "it does not hold what its ending says")
def _(place: Place) -> Cells:
    path = place.path(".nrrd")
    path.write_text("Dear colleague, please find the images of MUELLER_HANS_1953 enclosed.\n" * 20)
    return place.image(path)


@kind("nifti-packed-cut", "image file", "ends early")
def _(place: Place) -> Cells:
    return place.image(place.cut(".nii.gz"))


@kind("nifti-cut", "image file ends early", "bytes")
def _(place: Place) -> Cells:
    return place.image(place.cut(".nii"))


@kind("nrrd-cut", "image file cannot be read", "it ends early")
def _(place: Place) -> Cells:
    return place.image(place.cut(".nrrd"))


@kind("metaimage-cut", "image file ends early", "bytes")
def _(place: Place) -> Cells:
    return place.image(place.cut(".mha"))


@kind("nifti-damaged", "image file cannot be read")
def _(place: Place) -> Cells:
    def change(content: bytearray) -> None:
        content[1500:1600] = bytes(100)

    return place.image(place.patched(".nii.gz", change))


@kind("voxels-nan", "image has 3 voxels that are NaN or infinite")
def _(place: Place) -> Cells:
    array = values()
    array[0, 0, :3] = np.nan
    return place.image(place.write(".nii.gz", array))


@kind("voxels-infinite", "NaN or infinite")
def _(place: Place) -> Cells:
    array = values()
    array[1, 1, 1] = np.inf
    return place.image(place.write(".nrrd", array))


@kind("spacing-negative", "spacing that is not above 0 mm")
def _(place: Place) -> Cells:
    path = place.write(".mha")
    path.write_bytes(re.sub(rb"ElementSpacing = 1 ", b"ElementSpacing = -1 ", path.read_bytes()))
    return place.image(path)


@kind("spacing-zero-nifti", "spacing that is not above 0 mm")
def _(place: Place) -> Cells:
    return place.image(place.patched(".nii", lambda content: struct.pack_into("<f", content, 80, 0.0)))


@kind("spacing-negative-nifti", "spacing that is not above 0 mm")
def _(place: Place) -> Cells:
    return place.image(place.patched(".nii", lambda content: struct.pack_into("<f", content, 84, -1.5)))


@kind("spacing-zero-nrrd", "image file cannot be read", "its spacing is not above 0 mm")
def _(place: Place) -> Cells:
    path = place.write(".nrrd")
    head, _, rest = path.read_bytes().partition(b"\n\n")
    head = re.sub(rb"space directions: \([^)]*\)", b"space directions: (0,0,0)", head)
    path.write_bytes(head + b"\n\n" + rest)
    return place.image(path)


@kind("direction-sheared-nrrd", "direction cosines are not orthonormal")
def _(place: Place) -> Cells:
    path = place.write(".nrrd")
    head, _, rest = path.read_bytes().partition(b"\n\n")
    head = re.sub(rb"space directions: \([^)]*\)", b"space directions: (1,0.5,0)", head)
    path.write_bytes(head + b"\n\n" + rest)
    return place.image(path)


@kind("direction-sheared-nifti", "image file cannot be read", "orthonormal direction cosines")
def _(place: Place) -> Cells:
    def change(content: bytearray) -> None:
        # No qform, and an sform whose second column leans over.
        struct.pack_into("<2h", content, 252, 0, 1)
        struct.pack_into("<12f", content, 280, -1, 0.7, 0, -10, 0, -1.5, 0, 20, 0, 0, 2.5, 30)

    return place.image(place.patched(".nii", change))


@kind("image-4d", "image has 4 dimensions (12, 10, 8, 2)")
def _(place: Place) -> Cells:
    return place.image(place.write(".nii.gz", np.stack([values(), values()])))


@kind("image-2d", "image has 2 dimensions (12, 10)")
def _(place: Place) -> Cells:
    return place.image(place.write(".nii.gz", values()[0]))


@kind("image-in-colour", "image has 3 values in each voxel")
def _(place: Place) -> Cells:
    colour = np.zeros((8, 10, 12, 3), np.uint8)
    return place.image(place.write(".nrrd", colour, vector=True))


@kind("image-complex", "image has 2 values in each voxel")
def _(place: Place) -> Cells:
    return place.image(place.write(".nii.gz", values().astype(np.complex64)))


@kind("header-of-terabytes-nifti", "image would take", "GiB, more than 8")
def _(place: Place) -> Cells:
    def change(content: bytearray) -> None:
        struct.pack_into("<4h", content, 40, 3, 32767, 32767, 32767)

    return place.image(place.patched(".nii", change))


@kind("header-of-terabytes-nrrd", "image would take", "GiB, more than 8")
def _(place: Place) -> Cells:
    path = place.write(".nrrd")
    path.write_bytes(path.read_bytes().replace(b"sizes: 12 10 8", b"sizes: 30000 30000 30000"))
    return place.image(path)


@kind("header-of-terabytes-metaimage", "image file ends early", "of 2916000000000000 bytes")
def _(place: Place) -> Cells:
    path = place.write(".mha")
    path.write_bytes(path.read_bytes().replace(b"DimSize = 12 10 8", b"DimSize = 90000 90000 90000"))
    return place.image(path)


@kind("sizes-wrong-nrrd", "image file cannot be read", "it ends early")
def _(place: Place) -> Cells:
    path = place.write(".nrrd")
    path.write_bytes(path.read_bytes().replace(b"sizes: 12 10 8", b"sizes: 12 10 80"))
    return place.image(path)


@kind("sizes-wrong-nifti", "image file ends early")
def _(place: Place) -> Cells:
    def change(content: bytearray) -> None:
        struct.pack_into("<h", content, 46, 80)

    return place.image(place.patched(".nii", change))


@kind("bomb-gzip", "image file holds far more than its header says")
def _(place: Place) -> Cells:
    path = place.path(".nii.gz")
    write_volume(path.with_suffix(""), values())
    whole = path.with_suffix("").read_bytes() + bytes(64 << 20)
    path.write_bytes(gzip.compress(whole, 1))
    return place.image(path)


@kind("header-without-data", "image names a file of voxels that is not there")
def _(place: Place) -> Cells:
    path = place.write(".mhd")
    place.path(".raw").unlink()
    return place.image(path)


@kind("header-points-outside", "image names a file outside its own folder")
def _(place: Place) -> Cells:
    path = place.write(".nhdr")
    path.write_text(re.sub("data ?file: .*", f"data file: /etc/{path.name}", path.read_text()))
    return place.image(path)


@kind("header-climbs-outside", "image names a file outside its own folder")
def _(place: Place) -> Cells:
    path = place.write(".mhd")
    text = re.sub("ElementDataFile = .*", "ElementDataFile = ../../../../../etc/passwd", path.read_text())
    path.write_text(text)
    return place.image(path)


@kind("header-of-many-files", "image keeps its voxels in several files")
def _(place: Place) -> Cells:
    path = place.write(".nhdr")
    path.write_text(re.sub("data ?file: .*", "data file: LIST", path.read_text()) + "a.raw\nb.raw\n")
    return place.image(path)


@kind("series-of-a-file", "series and part are for DICOM")
def _(place: Place) -> Cells:
    return {"series": "0123456789ab"}
