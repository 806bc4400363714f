"""zip.py FILE DIR: packs the files below DIR, without entries for directories, which a Go module may not have."""

import pathlib
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
    root = pathlib.Path(sys.argv[2])
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        archive.write(path, path.relative_to(root))
