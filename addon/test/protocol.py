"""A codec of the engine protocol that is made from the tables of docs/engine-protocol.md alone.

Used only by tests: if this decodes what the plugin sends, the document is complete and right.
"""
import re
import struct

HEADER = struct.Struct('<IHHI')
ANSWER, RESEND, ERROR = 0x8000, 1, 2
NUMBERS = {'u8': 'B', 'u16': 'H', 'u32': 'I', 'u64': 'Q'}


class ProtocolError(Exception):
    pass


class Protocol:
    def __init__(self, document):
        text = open(document, encoding='utf-8').read()
        self.layouts, self.by_type, self.by_name = {}, {}, {}
        for line in text.splitlines():
            row = re.fullmatch(r'\| (0x[0-9a-f]{4}) \| (\w+) \| (\w+) \| `(\w+)` \| (.+?) \|', line)
            if row:
                answer = row[5].strip('`') if row[5] != 'none' else None
                entry = (int(row[1], 16), row[2], row[3], row[4], answer)
                self.by_type[entry[0]] = self.by_name[entry[1]] = entry
            layout = re.fullmatch(r'`(\w+)`: (.+)', line)
            if layout and layout[1] not in self.layouts:
                self.layouts[layout[1]] = self._fields(layout[2])

    @staticmethod
    def _fields(text):
        if text == 'no fields':
            return []
        fields = []
        for part in re.split(r', (?![^()]*\))', text):
            name, kind = part.split(' ', 1)
            listed = re.fullmatch(r'list\(`(\w+)`, (\d+)\)', kind)
            sized = re.fullmatch(r'(str|blob|chars)\((\d+)\)', kind)
            if listed:
                fields.append((name, 'list', (listed[1], int(listed[2]))))
            elif sized:
                fields.append((name, sized[1], int(sized[2])))
            elif kind.startswith('`'):
                fields.append((name, 'group', kind.strip('`')))
            else:
                fields.append((name, kind, None))
        return fields

    def encode(self, name, fields, number=0, answer=False, error=False, flags=0):
        kind = self.by_name[name]
        layout = 'error' if error else kind[4] if answer else kind[3]
        body = self._write(layout, fields)
        flags |= ERROR if error else 0
        return HEADER.pack(12 + len(body), kind[0] | (ANSWER if answer else 0), flags, number) + body

    def _write(self, layout, fields):
        out = b''
        for name, kind, arg in self.layouts[layout]:
            value = fields[name]
            if kind in NUMBERS:
                out += struct.pack('<' + NUMBERS[kind], value)
            elif kind == 'key':
                out += value
            elif kind == 'chars':
                out += value.encode().ljust(arg, b'\0')
            elif kind == 'str':
                data = value.encode('utf-8', 'surrogateescape')
                out += struct.pack('<H', len(data)) + data
            elif kind == 'blob':
                out += struct.pack('<I', len(value)) + value
            elif kind == 'group':
                out += self._write(arg, value)
            else:
                out += struct.pack('<H', len(value)) + b''.join(self._write(arg[0], item) for item in value)
        return out

    def decode(self, frame):
        length, kind, flags, number = HEADER.unpack_from(frame)
        if length != len(frame):
            raise ProtocolError('length')
        entry = self.by_type.get(kind & ~ANSWER)
        if entry is None or (kind & ANSWER and entry[4] is None):
            raise ProtocolError('type %#x' % kind)
        layout = entry[3] if not kind & ANSWER else 'error' if flags & ERROR else entry[4]
        fields, at = self._read(layout, frame, 12)
        if at != length:
            raise ProtocolError('%s: %d bytes left' % (entry[1], length - at))
        return entry[1], kind, flags, number, fields

    def _read(self, layout, data, at):
        fields = {}
        for name, kind, arg in self.layouts[layout]:
            if kind in NUMBERS:
                form = struct.Struct('<' + NUMBERS[kind])
                fields[name] = form.unpack_from(data, at)[0]
                at += form.size
            elif kind in ('key', 'chars'):
                size = 16 if kind == 'key' else arg
                fields[name] = bytes(data[at:at + size])
                at += size
                if kind == 'chars':
                    fields[name] = fields[name].rstrip(b'\0').decode()
            elif kind in ('str', 'blob'):
                form = struct.Struct('<H' if kind == 'str' else '<I')
                size = form.unpack_from(data, at)[0]
                at += form.size
                value = bytes(data[at:at + size])
                if size > arg or len(value) != size:
                    raise ProtocolError('%s.%s' % (layout, name))
                fields[name] = value.decode('utf-8', 'surrogateescape') if kind == 'str' else value
                at += size
            elif kind == 'group':
                fields[name], at = self._read(arg, data, at)
            else:
                count = struct.unpack_from('<H', data, at)[0]
                at += 2
                items = []
                for _ in range(count):
                    item, at = self._read(arg[0], data, at)
                    items.append(item)
                fields[name] = items
        return fields, at


def check_vectors(document, vectors):
    """Every valid vector decodes to its fields and encodes to its bytes; every invalid one is refused."""
    import json
    protocol = Protocol(document)
    tests = json.load(open(vectors, encoding='utf-8'))

    def plain(layout, fields):
        out = {}
        for name, kind, arg in protocol.layouts[layout]:
            value = fields[name]
            if kind == 'u64':
                value = str(value)
            elif kind in ('key', 'blob'):
                value = value.hex()
            elif kind == 'group':
                value = plain(arg, value)
            elif kind == 'list':
                value = [plain(arg[0], item) for item in value]
            out[name] = value
        return out

    for test in tests['valid']:
        frame = bytes.fromhex(test['hex'])
        name, kind, flags, number, fields = protocol.decode(frame)
        assert (name, kind, flags, number) == (test['name'], test['type'], test['flags'], test['id']), test['name']
        assert plain(test['layout'], fields) == test['fields'], test['name']
        again = protocol.encode(name, fields, number, bool(kind & ANSWER), bool(flags & ERROR), flags & RESEND)
        assert again == frame, test['name']
    return len(tests['valid'])


if __name__ == '__main__':
    import sys
    print('ok - protocol document: %d vectors' % check_vectors(*sys.argv[1:3]))
