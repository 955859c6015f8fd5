#!/usr/bin/env python3
"""A stand-in for the engine, used only by tests: keeps images in a directory and survives kill -9.

Everything about a session is rebuilt from the directory and ATTACH, as the protocol asks.
Base names steer it: late-error (IMAGE_ERROR after the first stored chunk), no-space (create fails).
"""
import argparse
import array
import fcntl
import hashlib
import json
import mmap
import os
import selectors
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from protocol import HEADER, Protocol, ProtocolError, RESEND  # noqa: E402

INVALID, BUSY, NOT_FOUND, ABORTED, NO_SPACE, EXISTS, READ_ONLY, PROTOCOL, ARENA, LIMIT = 1, 3, 5, 7, 13, 14, 16, 22, 23, 24
UNKNOWN = 2 ** 64 - 1
EMPTY_ID = dict(basename='', date='', fullname='', number1=0, number2=0, text1='', text2='')


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


class Engine:
    def __init__(self, options):
        self.options = options
        self.protocol = Protocol(options.document)
        self.storage = Storage(options.dir)
        self.instance = os.urandom(16)
        self.lock = threading.Lock()
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


class Session:
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

    # ---- servers ----
    def server(self, f):
        if f['server'] not in self.servers:
            raise Refused(INVALID, 'no such server')

    def on_ping(self, f):
        return {}

    def info(self, name):
        if not name.startswith('VastData:') or name == 'VastData:unknown':
            raise Refused(NOT_FOUND, 'no server %r' % name)
        return dict(name=name, version='fake 1', capabilities=0x7f, max_handles=1024)

    def on_server_open(self, f):
        if f['user'] == 'bad':
            raise Refused(11, 'user or password is wrong')
        self.servers[f['server']] = f['name']
        return self.info(f['name'])

    def on_server_close(self, f):
        self.servers.pop(f['server'], None)

    def on_server_prop(self, f):
        return self.info(self.servers.get(f['server'], '') if f['server'] else f['name'])

    def on_config_get(self, f):
        self.server(f)
        text = self.storage.read(self.storage.root, 'config.json') or 'compression = off\n'
        return dict(text=text.encode())

    def on_config_set(self, f):
        self.server(f)
        if b'=' not in f['text']:
            raise Refused(INVALID, 'line 1: no value')
        self.storage.write(self.storage.root, 'config.json', f['text'].decode())

    # ---- LSUs ----
    def on_lsu_list(self, f):
        self.server(f)
        names = sorted(n for n in os.listdir(self.storage.root) if os.path.isdir(os.path.join(self.storage.root, n)))
        rest = [n for n in names if n > f['cursor']]
        page = rest[:1]
        return dict(cursor=page[-1] if len(rest) > 1 else '', names=[dict(name=n) for n in page])

    def on_lsu_prop(self, f):
        self.server(f)
        folder = self.storage.lsu(f['lsu'])
        label = self.storage.read(folder, 'label.json') or ''
        return dict(name=f['lsu'], label=label, description='a directory', flags=0x1b, capacity=1 << 40, used=0,
                    phys_capacity=UNKNOWN, phys_used=UNKNOWN, images=UNKNOWN, worm_minimum=0, worm_maximum=0)

    def on_lsu_label(self, f):
        self.server(f)
        self.storage.write(self.storage.lsu(f['lsu']), 'label.json', f['label'])

    # ---- images ----
    def image_info(self, folder):
        manifest = self.storage.read(folder, 'manifest.json')
        record = manifest or self.storage.read(folder, 'pending.json')
        if record is None:
            raise Refused(NOT_FOUND, 'no such image')
        flags = 2 if manifest else 1
        flags |= 4 if self.engine.users(folder, 2) else 0
        flags |= 8 if self.engine.users(folder, 1) else 0
        metas = sum(1 for n in os.listdir(folder) if n.startswith('meta-'))
        return record, dict(size=record['size'], stored=record['size'], created=record['created'],
                            modified=record['created'], locked_until=0, flags=flags, fragments=1, metas=metas)

    def opened(self, handle):
        _, info = self.image_info(handle.folder)
        chunk = self.engine.options.chunk_mib << 20
        return dict(chunk_bytes=chunk, window=self.engine.options.window, first_chunk=info['size'] // chunk, info=info)

    def on_image_create(self, f):
        self.server(f)
        if 'no-space' in f['id']['basename']:
            raise Refused(NO_SPACE, 'the bucket is full')
        folder = self.storage.folder(f['lsu'], f['id'])
        creator = '%s/%d' % (self.key.hex(), f['handle'])
        pending = self.storage.read(folder, 'pending.json')
        if self.storage.read(folder, 'manifest.json') or pending:
            if not (self.resend and pending and pending['creator'] == creator):
                raise Refused(EXISTS, 'the image is there already')
        else:
            os.makedirs(folder, exist_ok=True)
            self.storage.write(folder, 'pending.json', dict(id=f['id'], creator=creator, size=0, created=int(time.time())))
        handle = Handle(f['handle'], folder, 2, f['id'])
        handle.creator = creator
        self.handles[f['handle']] = handle
        return self.opened(handle)

    def on_image_open(self, f):
        self.server(f)
        folder = self.storage.folder(f['lsu'], f['id'])
        manifest = self.storage.read(folder, 'manifest.json')
        pending = self.storage.read(folder, 'pending.json')
        if not manifest and (f['mode'] == 1 or not pending):
            raise Refused(NOT_FOUND, 'no such image')
        if f['mode'] == 2:
            if manifest:
                raise Refused(READ_ONLY, 'a complete image is never written again')
            if self.engine.users(folder, 2):
                raise Refused(BUSY, 'the image is open for writing')
        handle = Handle(f['handle'], folder, f['mode'], f['id'])
        if pending and f['mode'] == 2:
            handle.creator = pending['creator'] = '%s/%d' % (self.key.hex(), f['handle'])
            self.storage.write(folder, 'pending.json', pending)
            stored = self.stored_chunks(handle)
            chunk = self.engine.options.chunk_mib << 20
            for number in [n for n in stored if n * chunk >= pending['size'] // chunk * chunk]:
                del stored[number]
            self.rewrite_stored(handle, stored)
        self.handles[f['handle']] = handle
        return self.opened(handle)

    def stored_chunks(self, handle):
        stored = {}
        try:
            with open(os.path.join(handle.folder, 'stored'), encoding='utf-8') as file:
                for line in file:
                    if line.endswith('\n'):
                        number, length = line.split()
                        stored[int(number)] = int(length)
        except FileNotFoundError:
            pass
        return stored

    def rewrite_stored(self, handle, stored):
        with open(os.path.join(handle.folder, 'stored.new'), 'w', encoding='utf-8') as file:
            file.writelines('%d %d\n' % item for item in sorted(stored.items()))
        os.replace(file.name, os.path.join(handle.folder, 'stored'))

    def on_slot_want(self, f):
        handle = self.handle(f, 2)
        if handle.failed:
            raise Refused(*handle.failed)
        if handle.slots.get(f['slot']) not in (None, 'filling'):
            raise ProtocolError('slot %d is in use' % f['slot'])
        if len(handle.slots) >= 2 and self.engine.options.budget and self.busy_slots >= self.engine.options.budget:
            raise Later()
        if f['slot'] not in handle.slots:
            self.busy_slots += 1
        handle.slots[f['slot']] = 'filling'
        chunk = self.engine.options.chunk_mib << 20
        record, _ = self.image_info(handle.folder)
        present = 0
        if record['size'] // chunk == f['chunk'] and record['size'] % chunk:
            present = record['size'] % chunk
            with open(os.path.join(handle.folder, 'data'), 'rb') as file:
                file.seek(f['chunk'] * chunk)
                self.slot(f['slot'], present)[:] = file.read(present)
        return dict(present=present)

    def on_slot_full(self, f):
        handle = self.handle(f, 2)
        if handle.slots.get(f['slot']) != 'filling':
            raise ProtocolError('slot %d was not granted' % f['slot'])
        handle.slots[f['slot']] = 'full'
        self.store(handle, f['slot'], f['chunk'], f['length'])

    def store(self, handle, slot, chunk, length):
        if self.engine.options.store_ms:
            time.sleep(self.engine.options.store_ms / 1000)
        if handle.failed is None:
            size = self.engine.options.chunk_mib << 20
            with open(os.path.join(handle.folder, 'data'), 'r+b' if os.path.exists(os.path.join(handle.folder, 'data')) else 'w+b') as file:
                file.seek(chunk * size)
                if not self.engine.options.discard:
                    file.write(self.slot(slot, length))
            with open(os.path.join(handle.folder, 'stored'), 'a', encoding='utf-8') as file:
                file.write('%d %d\n' % (chunk, length))
            self.engine.count_stored()
        handle.slots.pop(slot, None)
        self.busy_slots -= 1
        self.notice('SLOT_FREE', handle=handle.number, slot=slot)
        if 'late-error' in handle.identity['basename'] and handle.failed is None:
            handle.failed = (NO_SPACE, 'quota reached')
            self.notice('IMAGE_ERROR', handle=handle.number, result=NO_SPACE, cause='quota reached')

    def on_slot_return(self, f):
        handle = self.handles.get(f['handle'])
        if handle is not None and handle.slots.pop(f['slot'], None) is not None:
            self.busy_slots -= 1

    def handle(self, f, mode=None):
        handle = self.handles.get(f['handle'])
        if handle is None or (mode is not None and handle.mode != mode):
            raise Refused(INVALID, 'no such handle')
        return handle

    def on_image_flush(self, f):
        if self.handle(f, 2).failed:
            raise Refused(*self.handle(f, 2).failed)

    def on_image_close(self, f):
        handle = self.handles.get(f['handle'])
        if handle is None:
            raise Refused(INVALID, 'no such handle')
        waiting, self.waiting = self.waiting, []
        for entry in waiting:
            if entry[3].get('handle') == f['handle']:
                self.send(entry[0], dict(result=ABORTED, detail=0, cause='closed'), entry[2], error=True)
            else:
                self.waiting.append(entry)
        if self.engine.options.close_ms:
            time.sleep(self.engine.options.close_ms / 1000)
        del self.handles[f['handle']]
        self.busy_slots -= len(handle.slots)
        if handle.failed:
            raise Refused(*handle.failed)
        if f['mode'] in (3, 4) or getattr(handle, 'committed', False):
            return dict(report='mode=%d' % f['mode'])
        record, _ = self.image_info(handle.folder)
        chunk = self.engine.options.chunk_mib << 20
        stored, reach = self.stored_chunks(handle), record['size']
        for number in range(record['size'] // chunk, (f['size'] + chunk - 1) // chunk):
            if number * chunk <= reach and number in stored:
                reach = max(reach, number * chunk + stored[number])
        if reach < f['size']:
            raise Refused(INVALID, 'bytes from %d on are missing' % reach)
        record['size'] = f['size']
        path = os.path.join(handle.folder, 'data')
        with open(path, 'r+b' if os.path.exists(path) else 'w+b') as file:
            file.truncate(f['size'])
        if f['mode'] == 2:
            self.storage.write(handle.folder, 'pending.json', record)
        else:
            self.storage.write(handle.folder, 'manifest.json', record)
            os.unlink(os.path.join(handle.folder, 'pending.json'))
        return dict(report='size=%d chunks=%d' % (f['size'], len(stored)))

    def on_image_attach(self, f):
        self.server(f)
        folder = self.storage.folder(f['lsu'], f['id'])
        handle = Handle(f['handle'], folder, f['mode'], f['id'])
        handle.creator = '%s/%d' % (self.key.hex(), f['handle'])
        manifest = self.storage.read(folder, 'manifest.json')
        if f['mode'] == 1:
            if not manifest:
                raise Refused(NOT_FOUND, 'the image is gone')
            self.handles[f['handle']] = handle
            return dict(state=0)
        if manifest:
            if manifest['creator'] != handle.creator:
                raise Refused(BUSY, 'another writer finished the image')
            handle.committed = True
            self.handles[f['handle']] = handle
            return dict(state=1)
        pending = self.storage.read(folder, 'pending.json')
        if not pending or pending['creator'] != handle.creator:
            raise Refused(NOT_FOUND, 'the image is gone')
        self.handles[f['handle']] = handle
        for slot in f['slots']:
            handle.slots[slot['slot']] = 'filling'
            self.busy_slots += 1
        stored = self.stored_chunks(handle)
        for slot in f['slots']:
            if slot['state'] == 2 and stored.get(slot['chunk']) == slot['length']:
                del handle.slots[slot['slot']]
                self.busy_slots -= 1
                self.notice('SLOT_FREE', handle=handle.number, slot=slot['slot'])
            elif slot['state'] == 2:
                handle.slots[slot['slot']] = 'full'
                self.store(handle, slot['slot'], slot['chunk'], slot['length'])
        return dict(state=0)

    def on_image_read(self, f):
        handle = self.handle(f, 1)
        record, _ = self.image_info(handle.folder)
        if self.engine.options.read_ms:
            time.sleep(self.engine.options.read_ms / 1000)
        grain = (self.engine.options.chunk_mib << 20) if f['hint'] == 1 else 65536
        start = f['offset'] // grain * grain
        end = min(record['size'], max(start + grain, f['offset'] + f['length']) if f['hint'] == 0 else start + grain)
        end = min(end, start + self.slot_bytes)
        if f['offset'] >= record['size']:
            return dict(start=f['offset'], length=0, slot_offset=0, flags=1)
        with open(os.path.join(handle.folder, 'data'), 'rb') as file:
            file.seek(start)
            self.slot(f['slot'], end - start)[:] = file.read(end - start).ljust(end - start, b'\0')
        return dict(start=start, length=end - start, slot_offset=0, flags=1 if end == record['size'] else 0)

    def on_image_prop(self, f):
        handle = self.handle(f)
        return dict(id=handle.identity, info=self.image_info(handle.folder)[1])

    def on_image_prop_byname(self, f):
        self.server(f)
        return dict(id=f['id'], info=self.image_info(self.storage.folder(f['lsu'], f['id']))[1])

    def on_image_list(self, f):
        self.server(f)
        lsu, kinds, images = self.storage.lsu(f['lsu']), f['kinds'] or 2, []
        for name in sorted(os.listdir(lsu)):
            if name <= f['cursor'] or not os.path.isdir(os.path.join(lsu, name)):
                continue
            try:
                record, info = self.image_info(os.path.join(lsu, name))
            except Refused:
                continue
            if info['flags'] & 3 & kinds:
                images.append((name, dict(id=record['id'], info=info)))
        page = images[:3]
        return dict(cursor=page[-1][0] if len(images) > 3 else '', images=[entry for _, entry in page])

    def on_image_delete(self, f):
        self.server(f)
        folder = self.storage.folder(f['lsu'], f['id'])
        if not os.path.isdir(folder):
            if self.resend:
                return
            raise Refused(NOT_FOUND, 'no such image')
        if self.engine.users(folder):
            raise Refused(BUSY, 'the image is open')
        self.storage.drop(folder)
        self.event(3, f['lsu'], f['id'], b'')

    def on_meta_write(self, f):
        handle = self.handle(f, 2)
        with open(os.path.join(handle.folder, 'meta-%d' % f['index']), 'wb') as file:
            file.write(self.slot(f['slot'], f['length']))

    def on_meta_read(self, f):
        handle = self.handle(f)
        try:
            with open(os.path.join(handle.folder, 'meta-%d' % f['index']), 'rb') as file:
                data = file.read()
        except FileNotFoundError:
            raise Refused(NOT_FOUND, 'no such blob') from None
        self.slot(f['slot'], len(data))[:] = data
        return dict(length=len(data))

    # ---- copies and events ----
    def on_copy_start(self, f):
        if f['operation'] in self.copies:
            return
        source = self.storage.folder(f['from_lsu'], f['from'])
        target = self.storage.folder(f['to_lsu'], f['to'])
        manifest = self.storage.read(source, 'manifest.json')
        if not manifest:
            raise Refused(NOT_FOUND, 'no such image')
        if os.path.isdir(target) and not self.resend:
            raise Refused(EXISTS, 'the target is there already')
        self.copies[f['operation']] = dict(f=f, source=source, target=target, manifest=manifest, polls=0, state='running')

    def on_copy_wait(self, f):
        copy = self.copies.get(f['operation'])
        if copy is None:
            raise Refused(NOT_FOUND, 'no such operation')
        size = copy['manifest']['size']
        if copy['state'] == 'cancelled':
            raise Refused(ABORTED, 'the copy was cancelled')
        if copy['state'] == 'running':
            copy['polls'] += 1
            if copy['polls'] <= self.engine.options.copy_polls:
                return dict(state=0, done=size * copy['polls'] // (self.engine.options.copy_polls + 1), total=size)
            os.makedirs(copy['target'], exist_ok=True)
            for name in os.listdir(copy['source']):
                if name != 'manifest.json':
                    with open(os.path.join(copy['source'], name), 'rb') as a, open(os.path.join(copy['target'], name), 'wb') as b:
                        b.write(a.read())
            self.storage.write(copy['target'], 'manifest.json', dict(copy['manifest'], id=copy['f']['to']))
            copy['state'] = 'done'
            if copy['f']['flags'] & 1:
                self.event(1, copy['f']['to_lsu'], copy['f']['to'], b'copied')
        return dict(state=1, done=size, total=size)

    def on_copy_cancel(self, f):
        if f['operation'] not in self.copies:
            raise Refused(NOT_FOUND, 'no such operation')
        self.copies[f['operation']]['state'] = 'cancelled'

    def on_copy_release(self, f):
        self.copies.pop(f['operation'], None)

    def event(self, kind, lsu, identity, payload):
        events = self.engine.events
        events.append(dict(sequence=len(events) + 1, time=int(time.time()), type=kind, lsu=lsu, image=identity,
                           payload=payload.hex()))
        self.storage.write(self.storage.root, 'events.json', events)

    def on_event_get(self, f):
        self.server(f)
        found = [e for e in self.engine.events if e['sequence'] > f['after']][:min(2, f['max'])]
        out = [dict({k: e[k] for k in ('sequence', 'time', 'type', 'lsu', 'image')}, payload_bytes=len(e['payload']) // 2)
               for e in found]
        return dict(latest=len(self.engine.events), events=out)

    def on_event_payload(self, f):
        self.server(f)
        for event in self.engine.events:
            if event['sequence'] == f['sequence']:
                return dict(data=bytes.fromhex(event['payload']))
        raise Refused(NOT_FOUND, 'no such event')


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
