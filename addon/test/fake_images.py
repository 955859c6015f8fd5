"""The stand-in engine's images: opening and writing; then closing, attaching, reading, listing."""
import os
import time

from fake_storage import (ABORTED, BUSY, EXISTS, INVALID, NO_SPACE, NOT_FOUND, READ_ONLY, Handle, Later, Refused)
from protocol import ProtocolError


class Writing:
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


class Images(Writing):
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
        copied = any(folder in (copy['source'], copy['target']) and copy['state'] == 'running'
                     for session in self.engine.sessions.values() for copy in session.copies.values())
        if copied or self.engine.users(folder):
            raise Refused(BUSY, 'the image is open or being copied')
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
