import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  adopt,
  connect,
  Descriptor,
  listen,
  socketpair,
  type SocketPairOptions,
  type UnixSocket,
} from '../../index.js'
import { start } from '../helpers/program.js'
import {
  closed,
  codeOf,
  descriptors,
  descriptorsAtRest,
  eventually,
  once,
  places,
  receive,
  receiveAll,
} from '../helpers/sockets.js'

function sockets(
  t: ExecutionContext,
  options: SocketPairOptions = { receiveDescriptors: 253 },
): [UnixSocket, UnixSocket] {
  const pair = socketpair(options)
  t.teardown(() => {
    for (const socket of pair) socket.destroy()
  })
  return pair
}

/** A file with this text, which is removed at once. */
function fileOf(text: string): number {
  const folder = mkdtempSync(join(tmpdir(), 'uds-'))
  writeFileSync(join(folder, 'f'), text)
  const fd = openSync(join(folder, 'f'), 'r')
  rmSync(folder, { recursive: true })
  return fd
}

function textOf(descriptor: Descriptor): string {
  const memory = Buffer.alloc(100)
  return String(memory.subarray(0, readSync(descriptor.fd, memory, 0, 100, 0)))
}

/** Records bytes and descriptors in the order in which they arrive. */
function recorded(socket: UnixSocket): (string | Descriptor[])[] {
  const events: (string | Descriptor[])[] = []
  socket.on('descriptors', (list: Descriptor[]) => events.push(list))
  socket.on('data', chunk => events.push(String(chunk)))
  return events
}

/** Returns the code with which a write of a descriptor fails. */
const written = (socket: UnixSocket): Promise<unknown> =>
  codeOf(
    new Promise<void>((resolve, reject) => {
      socket.on('error', () => {})
      socket.write('x', { descriptors: [Descriptor.duplicate(0)] }, error =>
        error ? reject(error) : resolve(),
      )
    }),
  )

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

test.before(() => {
  // What the package opens for itself counts in no test.
  for (const socket of socketpair()) socket.destroy()
})

test.serial('descriptors arrive directly before their bytes, and none is left', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t)
  const events = recorded(other)
  const number = fileOf('a number')
  const owned = Descriptor.from(fileOf('a Descriptor'))
  const sent = new Promise(resolve => one.write('bytes', { descriptors: [number, owned] }, resolve))
  t.is(owned.fd, -1)
  t.is(await sent, null)
  await eventually('the bytes arrive', () => events.length === 2)
  const [list, bytes] = events as [Descriptor[], string]
  t.deepEqual(list.map(textOf), ['a number', 'a Descriptor'])
  t.deepEqual(
    list.map(({ kind }) => kind),
    ['file', 'file'],
  )
  t.is(bytes, 'bytes')
  t.true(isOpen(number))
  closeSync(number)
  for (const descriptor of list) descriptor.close()
  one.destroy()
  other.destroy()
  await eventually('all are closed', () => descriptors() <= before)
})

test.serial('received descriptors are close-on-exec', async t => {
  const [one, other] = sockets(t)
  const events = recorded(other)
  one.write('x', { descriptors: [0] })
  await eventually('the bytes arrive', () => events.length === 2)
  const [descriptor] = events[0] as Descriptor[]
  const flags = /flags:\s+0(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${descriptor!.fd}`, 'utf8'))![1]!
  t.is(parseInt(flags, 8) & 0o2000000, 0o2000000)
  descriptor!.close()
})

test('writes before and after are neither merged with one that has descriptors nor reordered', async t => {
  const [one, other] = sockets(t)
  one.write('first ')
  one.write('second ', { descriptors: [0] })
  one.write('third ', { descriptors: [1, 2] })
  one.write('fourth ')
  one.write('fifth', { descriptors: [0] })
  one.end(' last')
  const counts: number[] = []
  other.on('descriptors', (list: Descriptor[]) => {
    counts.push(list.length)
    for (const descriptor of list) descriptor.close()
  })
  t.is(String(await receiveAll(other)), 'first second third fourth fifth last')
  t.deepEqual(counts, [1, 2, 1])
})

test('253 descriptors arrive with one byte', async t => {
  const [one, other] = sockets(t)
  const events = recorded(other)
  one.write(Buffer.of(7), { descriptors: Array.from({ length: 253 }, () => 0) })
  await eventually('the byte arrives', () => events.length === 2)
  const list = events[0] as Descriptor[]
  t.is(list.length, 253)
  t.is(new Set(list.map(({ fd }) => fd)).size, 253)
  for (const descriptor of list) descriptor.close()
})

test('descriptors come with the first of many bytes, which may take long', async t => {
  const [one, other] = sockets(t)
  const size = 3 * 1024 * 1024
  one.write(Buffer.alloc(size, 'a'))
  one.write(Buffer.alloc(size, 'b'), { descriptors: [Descriptor.from(fileOf('late'))] })
  one.write('c')
  one.end()
  let position = -1
  let text = ''
  other.on('descriptors', ([descriptor]: [Descriptor]) => {
    position = other.bytesRead
    text = textOf(descriptor)
    descriptor.close()
  })
  const bytes = await receiveAll(other)
  t.is(text, 'late')
  // Bytes that were sent before may come with the same read, but none of its own without the descriptors.
  t.true(position <= size && position > size - 512 * 1024, `${position}`)
  t.is(bytes.length, 2 * size + 1)
  t.deepEqual([bytes[size - 1], bytes[size], bytes[2 * size]], [97, 98, 99])
})

test('a listener and connect() take descriptors when asked', async t => {
  const listener = await listen(places.path(t), { receiveDescriptors: 1 })
  t.teardown(() => listener.close())
  const [client, server] = await Promise.all([
    connect(listener.path, { receiveDescriptors: 2 }),
    listener.accept(),
  ])
  const [got, answered] = [recorded(server), recorded(client)]
  client.write('one', { descriptors: [0] })
  server.write('two', { descriptors: [1, 2] })
  await eventually('both arrive', () => got.length === 2 && answered.length === 2)
  t.deepEqual([(got[0] as Descriptor[]).length, (answered[0] as Descriptor[]).length], [1, 2])
  for (const descriptor of [got[0], answered[0]].flat()) (descriptor as Descriptor).close()
  client.destroy()
  server.destroy()
})

for (const [what, options, descriptorsSent, listens, message] of [
  [
    'more at once than asked for',
    { receiveDescriptors: 2 },
    3,
    true,
    /more at once than options.receiveDescriptors, 2/,
  ],
  ['without a listener', { receiveDescriptors: 2 }, 1, false, /the socket has no 'descriptors' listener/],
] as const)
  test.serial(`descriptors are closed, and the loss is an error: ${what}`, async t => {
    const before = await descriptorsAtRest()
    const [one, other] = sockets(t, options)
    const events: unknown[] = []
    other.on('data', chunk => events.push(String(chunk)))
    if (listens) other.on('descriptors', list => events.push(list))
    one.write('before')
    await eventually('the first bytes arrive', () => events.length === 1)
    one.write('lost', { descriptors: Array.from({ length: descriptorsSent }, () => 0) })
    one.write('behind')
    const error = await once<NodeJS.ErrnoException>(other, 'error')
    t.is(error.code, 'ERR_DESCRIPTORS_LOST')
    t.regex(error.message, message)
    t.deepEqual(events, ['before'])
    one.destroy()
    await closed(one, other)
    await eventually('all are closed', () => descriptors() <= before)
  })

test.serial('descriptors that nobody asked for are refused or closed', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t, {})
  other.on('descriptors', () => t.fail())
  other.on('data', () => {})
  one.on('error', () => {})
  const error = await new Promise<NodeJS.ErrnoException | null>(resolve =>
    one.write('x', { descriptors: [0, 1] }, resolve as never),
  )
  // EPERM where the kernel refuses them.
  if (error !== null)
    t.is(
      error.message,
      'write EPERM: operation not permitted; a peer without options.receiveDescriptors refuses descriptors',
    )
  one.destroy()
  other.destroy()
  await eventually('all are closed', () => descriptors() <= before)
})

test.serial('descriptors that are unread or unsent are closed with the socket', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t)
  one.write('unread', { descriptors: [0, 1, 2] })
  one.write(Buffer.alloc(2 * 1024 * 1024))
  const callbacks: (Error | null)[] = []
  for (let count = 0; count < 10; count++)
    one.write('unsent', { descriptors: [Descriptor.duplicate(0), 1] }, error =>
      callbacks.push(error as never),
    )
  one.destroy()
  other.destroy()
  await closed(one, other)
  await eventually('all are closed', () => descriptors() <= before && callbacks.length === 10)
  t.true(callbacks.every(error => error !== null))
})

test.serial('descriptors of a write after the end, or on a closed socket, are closed', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t)
  one.end()
  t.is(await written(one), 'ERR_STREAM_WRITE_AFTER_END')
  other.destroy()
  t.is(await written(other), 'ERR_STREAM_DESTROYED')
  one.destroy()
  await closed(one, other)
  await eventually('all are closed', () => descriptors() <= before)
})

test.serial('a call with an invalid argument throws, and consumes nothing', async t => {
  const [one] = sockets(t)
  const before = await descriptorsAtRest()
  const owned = Descriptor.duplicate(0)
  const gone = Descriptor.duplicate(0)
  closeSync(gone.release())
  const refused = (chunk: unknown, options: unknown, code: string, message?: RegExp): void => {
    t.throws(() => one.write(chunk, options as never), { code, ...(message && { message }) })
  }
  refused('', { descriptors: [owned] }, 'ERR_INVALID_ARG_VALUE', /at least one byte/)
  refused('x', { descriptors: 1 }, 'ERR_INVALID_ARG_TYPE')
  refused('x', { descriptors: [owned, 'x'] }, 'ERR_INVALID_ARG_TYPE', /options.descriptors\[1\]/)
  refused('x', { descriptors: [owned, 1_000_000] }, 'EBADF')
  refused('x', { descriptors: [owned, -1] }, 'EBADF')
  refused('x', { descriptors: [owned, 0, 1.5] }, 'EBADF')
  refused('x', { descriptors: [owned, owned] }, 'ERR_INVALID_ARG_VALUE', /in the list already/)
  refused('x', { descriptors: [gone] }, 'ERR_INVALID_ARG_VALUE', /closed, released or sent/)
  refused('x', { descriptors: Array.from({ length: 254 }, () => 0) }, 'ERR_INVALID_ARG_VALUE', /at most 253/)
  refused('x', { descriptor: [0] }, 'ERR_INVALID_ARG_VALUE', /did you mean 'descriptors'/)
  refused('x', { descriptors: [0], encoding: 'utf9' }, 'ERR_INVALID_ARG_VALUE')
  refused(7, { descriptors: [0] }, 'ERR_INVALID_ARG_TYPE')
  t.true(isOpen(owned.fd))
  owned.close()
  await eventually('the copies are closed', () => descriptors() <= before)
})

test('strings have the encoding that was given', async t => {
  const [one, other] = sockets(t)
  one.write('68656c6c6f', { encoding: 'hex' })
  one.setDefaultEncoding('latin1')
  one.write('é', { descriptors: [] })
  other.on('descriptors', () => t.fail())
  t.deepEqual(await receive(other, 6), Buffer.from('hello\u00e9', 'latin1'))
})

test('a listener of descriptors that throws loses no byte', async t => {
  const { output } = await start(t, 'descriptor-throws.js').ended
  t.deepEqual(JSON.parse(output), { errors: ['small', 'large'], bytes: 1 + 1_000_000 + 1 })
})

test('a socket that a listener of descriptors destroys delivers nothing more', async t => {
  const [one, other] = sockets(t)
  other.on('data', () => t.fail())
  other.once('descriptors', ([descriptor]: [Descriptor]) => {
    descriptor.close()
    other.destroy()
  })
  one.on('error', () => {})
  one.write('x', { descriptors: [0] })
  await closed(other)
  t.true(other.destroyed)
})

test('a socket sends itself', async t => {
  const [one, other] = sockets(t)
  const [inner, outer] = sockets(t)
  const events = recorded(other)
  one.write('a socket', { descriptors: [await inner.detach()] })
  await eventually('it arrives', () => events.length === 2)
  const [descriptor] = events[0] as Descriptor[]
  t.is(descriptor!.kind, 'socket')
  const adopted = await adopt(descriptor!, { type: 'stream' })
  adopted.end('through the socket that was sent')
  t.is(String(await receiveAll(outer)), 'through the socket that was sent')
})
