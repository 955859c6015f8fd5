"""What the stand-in engine keeps on disk, and the errors it answers with."""
import hashlib
import json
import os

INVALID, BUSY, NOT_FOUND, ABORTED, NO_SPACE, EXISTS, READ_ONLY, PROTOCOL, ARENA, LIMIT = 1, 3, 5, 7, 13, 14, 16, 22, 23, 24
UNKNOWN = 2 ** 64 - 1


class Refused(Exception):
    def __init__(self, result, cause, detail=0):
        super().__init__(cause)
        self.result, self.cause, self.detail = result, cause, detail


class Later(Exception):
    """The answer comes when something else happened."""


class Handle:
    def __init__(self, number, folder, mode, identity):
        self.number, self.folder, self.mode, self.identity = number, folder, mode, identity
        self.slots, self.failed, self.creator, self.full = {}, None, '', {}


class Storage:
    """Images as folders: manifest.json (complete) or pending.json, data, stored (chunk lengths)."""

    def __init__(self, root):
        self.root = root
        for lsu in ('lsu-one', 'lsu-two'):
            os.makedirs(os.path.join(root, lsu), exist_ok=True)

    def lsu(self, name):
        path = os.path.join(self.root, name)
        if '/' in name or not name or not os.path.isdir(path):
            raise Refused(NOT_FOUND, 'no LSU %r' % name)
        return path

    def folder(self, lsu, identity):
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]
        return os.path.join(self.lsu(lsu), digest)

    @staticmethod
    def read(folder, name):
        try:
            with open(os.path.join(folder, name), encoding='utf-8') as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    @staticmethod
    def write(folder, name, value):
        path = os.path.join(folder, name)
        with open(path + '.new', 'w', encoding='utf-8') as file:
            json.dump(value, file)
        os.replace(path + '.new', path)

    def drop(self, folder):
        for name in sorted(os.listdir(folder), key=lambda n: n != 'manifest.json'):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
