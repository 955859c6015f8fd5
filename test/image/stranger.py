#!/usr/bin/env python3
"""A reader written from docs/image-format.md alone, with nothing of ours: verifies an image folder and writes its bytes.

Usage: stranger.py FOLDER > BYTES      exit 1 and a message on any deviation. LZ4 images need the lz4 program.
"""
import hashlib, json, os, struct, subprocess, sys

MIB = 1 << 20
sha = lambda data: hashlib.sha256(data).digest()


def check(condition, what):
    if not condition:
        sys.exit("deviation: " + what)


def tree(leaves):
    if not leaves:
        return sha(b"")
    while len(leaves) > 1:
        leaves = [sha(leaves[i] + leaves[i + 1]) if i + 1 < len(leaves) else leaves[i] for i in range(0, len(leaves), 2)]
    return leaves[0]


def image_id(identity):
    safe = lambda text, n: "".join(c if c.isascii() and (c.isalnum() or c in ".=-") else "-" for c in text)[:n]
    fields = [identity["basename"], identity["date"], identity["full_name"], *identity["qualifiers"]]
    data = b"".join(struct.pack(">I", len(f.encode())) + f.encode() for f in fields)
    return "%s_%s_%s" % (safe(fields[0], 96), safe(fields[1], 24), hashlib.sha256(data).hexdigest()[:16])


folder = sys.argv[1]
read = lambda name: open(os.path.join(folder, name), "rb").read()
manifest = json.loads(read("image.meta"))
check(manifest["format"] == "vast-ost-image" and manifest["version"] == 1, "format")
check(os.path.basename(folder.rstrip("/")) == image_id(manifest["identity"]), "image id")

fragments = {}
for number, fragment in enumerate(manifest["fragments"], 1):
    check(fragment["name"] == "fragment-%06d" % number, "fragment name")
    fragments[number] = read(fragment["name"])
    check(len(fragments[number]) == fragment["size"], "fragment size")

index = read("index")
about = manifest["index"]
check(len(index) == about["size"] and index[:8] == b"VOSTIDX\x01", "index header or size")
footer = index[len(index) - about["footer"]:]
check(hashlib.sha256(footer).hexdigest() == about["sha256"], "footer digest")
magic, page_count, size, zero = struct.unpack_from("<4sIQQ", footer)
check(magic == b"VFT1" and size == manifest["size"] and zero == 0, "footer header")

lz4 = [stage["name"] for stage in manifest["chain"]] == ["checksum", "lz4"]
position, leaves, offset_due, place = 8, [], 0, 0
for page in range(page_count):
    at, length, chunks, first, first_offset, digest = struct.unpack_from("<QIIQQ32s", footer, 24 + 64 * page)
    check(at == position and first == place and first_offset == offset_due, "page reference")
    body = index[at:at + length]
    check(body[-32:] == digest == sha(body[:-32]), "page digest")
    check(struct.unpack_from("<4sIQII", body) == (b"VPG1", length, first, chunks, 0), "page header")
    leaf = 24 + 40 * chunks
    for n in range(chunks):
        offset, size, fragment, count, stored, stored_size = struct.unpack_from("<QQIIQQ", body, 24 + 40 * n)
        check(offset == offset_due and count == -(-size // MIB), "entry")
        data = fragments[fragment][stored:stored + stored_size]
        if lz4:
            data = subprocess.run(["lz4", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
        check(len(data) == size, "chunk length")
        for l in range(count):
            check(sha(data[l * MIB:(l + 1) * MIB]) == body[leaf:leaf + 32], "leaf digest")
            leaves.append(body[leaf:leaf + 32])
            leaf += 32
        sys.stdout.buffer.write(data)
        offset_due += size
        place += 1
    position = at + length
check(offset_due == manifest["size"] and position == len(index) - about["footer"], "size")
check("sha256-tree:" + tree(leaves).hex() == manifest["checksum"], "checksum")
