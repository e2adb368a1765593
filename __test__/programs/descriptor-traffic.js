// Traffic of bytes with descriptors, which both ends of a connection know in advance.
import { fstatSync, mkdtempSync, openSync, rmSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Descriptor } from '../../index.js'

/** Numbers from 0 to 1, the same for the same seed. */
function random(seed) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return state / 0x8000_0000
  }
}

/** What the side with this seed sends: the lengths of writes, and which files go with each. */
export function* plan(seed, total) {
  const next = random(seed)
  for (let sent = 0; sent < total;) {
    const isLarge = next() < 0.02
    const length = 1 + Math.floor(next() * (isLarge ? 300_000 : 600))
    const count = next() < 0.3 ? 0 : Math.min(1 + Math.floor(next() * 7), total - sent)
    const files = Array.from({ length: count }, () => Math.floor(next() * 4))
    sent += count
    yield { length, files }
  }
}

const byteAt = position => (position * 7 + (position >> 8)) & 0xff

/** The same four kinds of files on both sides: they are told apart by what the kernel says of them. */
function openFiles() {
  const folder = mkdtempSync(join(tmpdir(), 'uds-'))
  const own = openSync(join(folder, 'f'), 'w+')
  unlinkSync(join(folder, 'f'))
  rmSync(folder, { recursive: true })
  return ['/dev/null', '/dev/zero', '/'].map(name => openSync(name, 'r')).concat(own)
}

/** Which of the files a descriptor is. */
function fileOf(fd) {
  const status = fstatSync(fd)
  if (status.isDirectory()) return 2
  if (status.isFile()) return 3
  return status.rdev % 256 === 3 ? 0 : 1
}

const given = openFiles()

/** Sends what the plan has, and waits until it has left. `onSent` is called with the position after each write. */
export async function send(socket, seed, total, onSent = () => {}) {
  const next = random(seed + 1)
  let position = 0
  let go
  socket.on('drain', () => go?.())
  socket.on('close', () => go?.())
  for (const { length, files: chosen } of plan(seed, total)) {
    const chunk = Buffer.allocUnsafe(length)
    for (let index = 0; index < length; index++) chunk[index] = byteAt(position + index)
    position += length
    const descriptors = chosen.map(file => (next() < 0.5 ? given[file] : Descriptor.duplicate(given[file])))
    const more = chosen.length === 0 ? socket.write(chunk) : socket.write(chunk, { descriptors })
    if (!more && next() < 0.9) {
      await new Promise(resolve => {
        go = resolve
        if (socket.destroyed) resolve()
      })
    }
    onSent(position)
    if (socket.destroyed) return
  }
  await new Promise(resolve => socket.end(resolve))
}

/**
 * Receives what the plan has, and checks each byte and each descriptor. Returns how many came, and what was wrong. `isWhole`: whether less than all
 * is wrong.
 */
export async function receive(socket, seed, total, isWhole) {
  const next = random(seed + 2)
  const expected = [...plan(seed, total)]
  const broken = []
  const starts = []
  let end = 0
  for (const { length, files: chosen } of expected) {
    if (chosen.length > 0) starts.push({ start: end, chosen })
    end += length
  }
  let lots = 0
  let descriptors = 0
  socket.on('descriptors', list => {
    const { start, chosen } = starts[lots++]
    const got = list.map(({ fd }) => fileOf(fd))
    if (String(got) !== String(chosen)) broken.push(`lot ${lots}: ${got} instead of ${chosen}`)
    if (socket.bytesRead > start) broken.push(`lot ${lots} comes behind its first byte`)
    descriptors += list.length
    for (const descriptor of list) descriptor.close()
  })
  let position = 0
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      for (const byte of chunk) if (byte !== byteAt(position++)) broken.push(`wrong byte at ${position - 1}`)
      if (next() < 0.01) await new Promise(resolve => setTimeout(resolve, 1))
    }
  } catch {
    // 'error' has said it.
  }
  if (isWhole() && position !== end) broken.push(`${position} of ${end} bytes`)
  return { bytes: position, descriptors, broken: broken.slice(0, 5) }
}
