#!/usr/bin/env python3
"""A stand-in for the engine, used only by tests: keeps images in a directory and survives kill -9.

Everything about a session is rebuilt from the directory and ATTACH, as the protocol asks.
Base names steer it: late-error (IMAGE_ERROR after the first stored chunk), no-space (create fails).
"""
import argparse
import array
import fcntl
import mmap
import os
import selectors
import signal
import socket
import struct
import sys

sys.dont_write_bytecode = True

from fake_images import Images
from fake_servers import Servers
from fake_storage import ARENA, PROTOCOL, Later, Refused, Storage
from protocol import HEADER, RESEND, Protocol, ProtocolError


class Engine:
    def __init__(self, options):
        self.options = options
        self.protocol = Protocol(options.document)
        self.storage = Storage(options.dir)
        self.instance = os.urandom(16)
        self.sessions = {}
        self.stored = self.frames = 0
        self.events = self.storage.read(options.dir, 'events.json') or []

    def users(self, folder, mode=None):
        return sum(1 for s in self.sessions.values() for h in s.handles.values()
                   if h.folder == folder and (mode is None or h.mode == mode))

    def count_stored(self):
        self.stored += 1
        if self.options.die_after and self.stored >= self.options.die_after:
            os.kill(os.getpid(), signal.SIGKILL)


class Session(Images, Servers):
    def __init__(self, engine, sock):
        self.engine, self.sock, self.storage = engine, sock, engine.storage
        self.handles, self.servers, self.copies, self.buffer = {}, {}, {}, b''
        self.map, self.waiting, self.busy_slots, self.key, self.dying = None, [], 0, b'', False

    # ---- hello ----
    def hello(self):
        frame, ancillary, _, _ = self.sock.recvmsg(256, socket.CMSG_SPACE(4 * 4))
        descriptors = array.array('i')
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(data[:len(data) // 4 * 4])
        try:
            if len(frame) != 256 or len(descriptors) != 1:
                raise Refused(PROTOCOL, 'not a hello')
            name, _, _, self.number, f = self.engine.protocol.decode(frame)
            if name != 'HELLO' or f['magic'] != 0x3154534f54534156 or f['major'] != 1:
                raise Refused(PROTOCOL, 'other protocol', 1 << 16)
            size = os.fstat(descriptors[0]).st_size
            seals = fcntl.fcntl(descriptors[0], 1034)
            if size != f['arena_bytes'] or seals & 6 != 6:
                raise Refused(ARENA, 'size or seals do not fit')
            if self.engine.options.wish_mib and f['slot_bytes'] != self.engine.options.wish_mib << 20:
                raise Refused(ARENA, 'other slots wanted', self.engine.options.wish_mib << 20)
            page = os.pread(descriptors[0], 64, 0)
            magic, version, header, key, total, at, slot, count, journal, regions = struct.unpack('<QII16sQQIIII', page)
            assert magic == 0x314e524154534f56 and version == 1 and header == 4096 and key == f['session']
            assert (total, at, slot, count, journal, regions) == tuple(
                f[k] for k in ('arena_bytes', 'slots_offset', 'slot_bytes', 'slot_count', 'journal_bytes', 'journal_count'))
            self.map = mmap.mmap(descriptors[0], size)
        except Refused as refused:
            self.send('HELLO', dict(result=refused.result, detail=refused.detail, cause=refused.cause), 1, error=True)
            return False
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self.slot_bytes, self.slots_offset, self.key = f['slot_bytes'], f['slots_offset'], f['session']
        old = self.engine.sessions.pop(self.key, None)
        if old is not None:
            old.end()
        self.engine.sessions[self.key] = self
        self.send('HELLO', dict(major=1, minor=0, features=0, instance=self.engine.instance, version='fake 1'), self.number)
        return True

    def end(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.handles.clear()
        if self.engine.sessions.get(self.key) is self:
            del self.engine.sessions[self.key]

    def slot(self, number, length):
        start = self.slots_offset + number * self.slot_bytes
        return memoryview(self.map)[start:start + length]

    # ---- frames ----
    def send(self, name, fields, number=0, answer=True, error=False):
        if self.dying and self.engine.options.die_when == 'unanswered':
            os.kill(os.getpid(), signal.SIGKILL)
        self.sock.sendall(self.engine.protocol.encode(name, fields, number, answer, error))

    def notice(self, name, **fields):
        self.send(name, fields, answer=False)

    def handle_frame(self, frame):
        name, kind, flags, number, fields = self.engine.protocol.decode(frame)
        self.engine.frames += 1
        self.dying = self.engine.frames == self.engine.options.die_at_frame
        if self.dying and self.engine.options.die_when == 'before':
            os.kill(os.getpid(), signal.SIGKILL)
        if self.engine.options.verbose:
            print(name, number, {k: v for k, v in fields.items() if k not in ('id', 'secret')}, file=sys.stderr)
        self.resend = bool(flags & RESEND)
        handler = getattr(self, 'on_' + name.lower())
        if number == 0:
            handler(fields)
            self.retry()
            return self.die_if_due()
        try:
            answer = handler(fields) or {}
        except Later:
            self.waiting.append((name, handler, number, fields))
            return None
        except Refused as refused:
            self.send(name, dict(result=refused.result, detail=refused.detail, cause=refused.cause), number, error=True)
            return None
        self.send(name, answer, number)
        self.retry()
        return self.die_if_due()

    def die_if_due(self):
        if self.dying:
            os.kill(os.getpid(), signal.SIGKILL)

    def retry(self):
        waiting, self.waiting = self.waiting, []
        for name, handler, number, fields in waiting:
            try:
                self.send(name, handler(fields) or {}, number)
            except Later:
                self.waiting.append((name, handler, number, fields))
            except Refused as refused:
                self.send(name, dict(result=refused.result, detail=0, cause=refused.cause), number, error=True)


def serve(options):
    engine = Engine(options)
    if os.path.exists(options.socket):
        os.unlink(options.socket)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(options.socket)
    listener.listen(64)
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    print('ready', flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                sock, _ = listener.accept()
                sock.setblocking(True)
                session = Session(engine, sock)
                if session.hello():
                    selector.register(sock, selectors.EVENT_READ, session)
                else:
                    sock.close()
                continue
            session = key.data
            try:
                data = session.sock.recv(1 << 20)
                session.buffer += data
                while len(session.buffer) >= 12:
                    length = HEADER.unpack_from(session.buffer)[0]
                    if not 12 <= length <= 262144:
                        raise ProtocolError('length')
                    if len(session.buffer) < length:
                        break
                    frame, session.buffer = session.buffer[:length], session.buffer[length:]
                    session.handle_frame(frame)
            except (ConnectionError, BrokenPipeError):
                data = b''
            except ProtocolError as error:
                print('protocol error:', error, file=sys.stderr, flush=True)
                data = b''
            if not data:
                selector.unregister(session.sock)
                session.end()
                session.sock.close()


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--socket', required=True)
    parser.add_argument('--dir', required=True)
    parser.add_argument('--document', default='docs/engine-protocol.md')
    parser.add_argument('--chunk-mib', type=int, default=1)
    parser.add_argument('--window', type=int, default=4)
    parser.add_argument('--budget', type=int, default=0, help='slots filled at once, all handles together')
    parser.add_argument('--die-after', type=int, default=0, help='kill -9 itself when so many chunks were stored')
    parser.add_argument('--die-at-frame', type=int, default=0)
    parser.add_argument('--die-when', choices=['before', 'unanswered', 'after'], default='before')
    parser.add_argument('--store-ms', type=int, default=0)
    parser.add_argument('--read-ms', type=int, default=0)
    parser.add_argument('--close-ms', type=int, default=0)
    parser.add_argument('--copy-polls', type=int, default=1)
    parser.add_argument('--wish-mib', type=int, default=0, help='refuse arenas with slots of another size')
    parser.add_argument('--discard', action='store_true')
    parser.add_argument('--verbose', action='store_true')
    serve(parser.parse_args())
