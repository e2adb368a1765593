import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import * as threads from 'node:worker_threads'
import test from 'ava'
import { Descriptor } from '../../index.js'
import { start } from '../helpers/program.js'
import { eventually } from '../helpers/sockets.js'

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

test.serial('from() takes ownership, and close() closes', async t => {
  const fd = openSync('/dev/null', 'r')
  const descriptor = Descriptor.from(fd)
  t.is(descriptor.fd, fd)
  t.is(descriptor.kind, 'character')
  descriptor.close()
  t.is(descriptor.fd, -1)
  descriptor.close()
  await eventually('the descriptor is closed', () => !isOpen(fd))
})

test.serial('a disposed Descriptor is closed', async t => {
  const descriptor = Descriptor.from(openSync('/dev/null', 'r'))
  const { fd } = descriptor
  descriptor[Symbol.dispose]()
  t.is(descriptor.fd, -1)
  await eventually('the descriptor is closed', () => !isOpen(fd))
})

test.serial("duplicate() leaves the caller's descriptor open", async t => {
  const fd = openSync('/dev/null', 'r')
  const descriptor = Descriptor.duplicate(fd)
  const own = descriptor.fd
  t.not(own, fd)
  t.true(isOpen(own))
  descriptor.close()
  await eventually('the duplicate is closed', () => !isOpen(own))
  t.true(isOpen(fd))
  closeSync(fd)
})

test('release() gives the number back, still open', t => {
  const fd = openSync('/dev/null', 'r')
  const descriptor = Descriptor.from(fd)
  t.is(descriptor.release(), fd)
  t.is(descriptor.fd, -1)
  descriptor.close()
  t.throws(() => descriptor.release(), { code: 'ERR_INVALID_STATE' })
  t.throws(() => descriptor.kind, { code: 'ERR_INVALID_STATE' })
  t.true(isOpen(fd))
  closeSync(fd)
})

test.serial('a descriptor is close-on-exec', t => {
  const descriptor = Descriptor.duplicate(0)
  const { fd } = descriptor
  const flags = /flags:\s+0(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!
  // O_CLOEXEC of Linux.
  t.is(parseInt(flags, 8) & 0o2000000, 0o2000000)
  descriptor.close()
})

for (const [kind, path] of [
  ['file', process.execPath],
  ['directory', '/'],
  ['character', '/dev/null'],
] as const)
  test(`kind says what a descriptor is: ${kind}`, t => {
    const descriptor = Descriptor.from(openSync(path, 'r'))
    t.is(descriptor.kind, kind)
    t.is(inspect(descriptor), `Descriptor { fd: ${descriptor.fd}, kind: '${kind}' }`)
    descriptor.close()
  })

test('a descriptor has one owner', t => {
  const descriptor = Descriptor.from(openSync('/dev/null', 'r'))
  t.throws(() => Descriptor.from(descriptor.fd), {
    code: 'EBUSY',
    message: /a Descriptor or a socket of this package owns it already/,
  })
  descriptor.close()
})

test('what is no open descriptor is refused', t => {
  for (const make of [Descriptor.from, Descriptor.duplicate]) {
    t.throws(() => make(1_000_000), {
      code: 'EBADF',
      message: 'fcntl EBADF fd 1000000: no open descriptor has that number',
    })
    t.throws(() => make(-1), { code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => make(0.5), { code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => make('1' as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  t.throws(() => new (Descriptor as never as new () => unknown)(), { code: 'ERR_ILLEGAL_CONSTRUCTOR' })
})

test('descriptors that are collected unclosed are closed, with one warning', async t => {
  const program = start(t, 'descriptor-collected.js')
  const { output } = await program.ended
  t.deepEqual(JSON.parse(output.split('\n').at(-1)!), {
    warnings: ['UDSOCK_DESCRIPTOR_COLLECTED'],
    left: 0,
  })
})

test('descriptors of a worker that ends are closed', async t => {
  const program = start(t, 'descriptor-worker.js')
  const { output } = await program.ended
  t.deepEqual(JSON.parse(output.split('\n').at(-1)!), { left: 0 })
})

// A clone would be an object without a descriptor.
const canRefuse = 'markAsUncloneable' in threads
;(canRefuse ? test : test.skip)('a Descriptor cannot be cloned for another thread, and stays open', t => {
  const descriptor = Descriptor.duplicate(0)
  const { port1 } = new threads.MessageChannel()
  // AVA takes no DOMException of Bun for an error.
  t.throws(() => structuredClone(descriptor), { any: true, name: 'DataCloneError' })
  t.throws(() => port1.postMessage(descriptor), { any: true, name: 'DataCloneError' })
  port1.close()
  t.true(isOpen(descriptor.fd))
  descriptor.close()
})
