import { runInNewContext } from 'node:vm'
import test from 'ava'
import { type UnixSocket } from '../../index.js'
import { everyPlace, once, pair, receive, receiveAll } from '../helpers/sockets.js'
import {
  collector,
  fill,
  leavesNoDescriptors,
  pattern,
  recorded,
  tooMuch,
  turns,
} from '../helpers/streams.js'

leavesNoDescriptors(test)

/** ES2024, which Node 20 has and its types here have not. */
type Resizable = ArrayBuffer & { resize(length: number): void }
const resizable = (length: number): Resizable =>
  new (ArrayBuffer as unknown as new (length: number, options: object) => Resizable)(length, {
    maxByteLength: 2 * length,
  })

/** A chunk with `bytes`, and what makes its memory something else. */
type Victim = (bytes: Buffer) => { chunk: Uint8Array; spoil: () => void }

const own = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes)
const inResizable = (bytes: Uint8Array): Uint8Array => {
  const chunk = new Uint8Array(resizable(bytes.length))
  chunk.set(bytes)
  return chunk
}

const victims: Record<string, Victim> = {
  mutated: bytes => {
    const chunk = own(bytes)
    return { chunk, spoil: () => void chunk.fill(0xee) }
  },
  'mutated, a Buffer of the pool': bytes => {
    const chunk = Buffer.from(bytes)
    return { chunk, spoil: () => void chunk.fill(0xee) }
  },
  transferred: bytes => {
    const chunk = own(bytes)
    return {
      chunk,
      spoil: () => void structuredClone(chunk.buffer, { transfer: [chunk.buffer as ArrayBuffer] }),
    }
  },
  shrunk: bytes => {
    const chunk = inResizable(bytes)
    return { chunk, spoil: () => (chunk.buffer as Resizable).resize(1) }
  },
  'shrunk to nothing': bytes => {
    const chunk = inResizable(bytes)
    return { chunk, spoil: () => (chunk.buffer as Resizable).resize(0) }
  },
  'grown and mutated': bytes => {
    const chunk = inResizable(bytes)
    const spoil = (): void => {
      ;(chunk.buffer as Resizable).resize(2 * bytes.length)
      chunk.fill(0xee)
    }
    return { chunk, spoil }
  },
  'mutated, in shared memory': bytes => {
    const chunk = new Uint8Array(new SharedArrayBuffer(bytes.length))
    chunk.set(bytes)
    return { chunk, spoil: () => void chunk.fill(0xee) }
  },
  'mutated, of another realm': bytes => {
    const chunk = runInNewContext('Uint8Array').from(bytes) as Uint8Array
    return { chunk, spoil: () => void chunk.fill(0xee) }
  },
}

const detachments = ['transferred', 'shrunk', 'shrunk to nothing'] as const

/** Errors as they are emitted. */
function failure(socket: UnixSocket): Promise<NodeJS.ErrnoException> {
  return once<NodeJS.ErrnoException>(socket, 'error')
}

const collect = collector()

for (const place of everyPlace) {
  for (const [what, victim] of Object.entries(victims)) {
    for (const size of [3, 1024, 8192]) {
      for (const full of [false, true]) {
        const when = `${size} bytes${full ? ', while the kernel is full' : ''}, ${place}`
        test(`small chunks ${what} right after write() arrive as they were (${when})`, async t => {
          const { client, server } = await pair(t, place)
          const skipped = full ? fill(client) : 0
          const expected: Buffer[] = []
          for (let index = 0; index < 4; index++) {
            const bytes = pattern(size, index + 1)
            const { chunk, spoil } = victim(bytes)
            client.write(chunk)
            spoil()
            client.write(`then ${index}`)
            expected.push(bytes, Buffer.from(`then ${index}`))
          }
          const { chunk, spoil } = victim(pattern(size, 9))
          client.end(chunk)
          spoil()
          expected.push(pattern(size, 9))
          const received = await receiveAll(server)
          t.true(received.subarray(skipped).equals(Buffer.concat(expected)))
        })
      }
    }
  }

  test(`small chunks beyond the outbox's memory arrive as they were (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const skipped = fill(client)
    const expected: Buffer[] = []
    for (let index = 0; index < 40; index++) {
      const bytes = pattern(8000, index)
      const chunk = Buffer.from(bytes)
      client.write(chunk)
      chunk.fill(0xee)
      expected.push(bytes)
      if (index % 10 === 0) await turns(1)
    }
    client.end()
    const received = await receiveAll(server)
    t.true(received.subarray(skipped).equals(Buffer.concat(expected)))
  })

  test(`small chunks mutated under a cork arrive as they were (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.cork()
    const chunk = Buffer.from('first')
    client.write(chunk)
    chunk.fill('x')
    await turns(3)
    client.uncork()
    t.is(String(await receive(server, 5)), 'first')
  })

  for (const what of detachments) {
    const { [what]: victim } = victims as Record<string, Victim>
    const expectFailure = async (
      t: import('ava').ExecutionContext,
      before: (client: UnixSocket) => number,
      after: (client: UnixSocket) => void,
    ): Promise<void> => {
      t.timeout(60_000)
      const { client, server } = await pair(t, place)
      const other = await pair(t, place)
      const skipped = before(client)
      const { chunk, spoil } = victim!(Buffer.alloc(tooMuch, 'v'))
      const codes: unknown[] = []
      const note = (error?: Error | null): void => void codes.push((error as NodeJS.ErrnoException)?.code)
      client.write(chunk, note)
      client.write('after', note)
      spoil()
      after(client)
      const error = failure(client)
      const events = recorded(client)
      const closed = once(client, 'close')
      const received = await receiveAll(server)
      await closed
      t.is((await error).code, 'ERR_BUFFER_CHANGED')
      t.is(codes[0], 'ERR_BUFFER_CHANGED')
      t.is(codes.length, 2)
      t.deepEqual(
        events.filter(event => event !== 'drain'),
        ['error ERR_BUFFER_CHANGED', 'close'],
      )
      t.true(received.length < skipped + tooMuch)
      t.true(
        received.subarray(skipped).every(byte => byte === 118),
        'nothing but the chunk',
      )
      other.client.end('goes on')
      t.is(String(await receiveAll(other.server)), 'goes on')
    }

    test(`a large chunk, part of which waits, ${what}: ERR_BUFFER_CHANGED (${place})`, t =>
      expectFailure(
        t,
        () => 0,
        () => {},
      ))

    test(`a large chunk that waits behind another, ${what}: ERR_BUFFER_CHANGED (${place})`, t =>
      expectFailure(t, fill, () => {}))

    test(`a large chunk under a cork, ${what}: ERR_BUFFER_CHANGED (${place})`, t =>
      expectFailure(
        t,
        client => {
          client.cork()
          return 0
        },
        client => client.uncork(),
      ))
  }

  for (const size of [8193, 100_000, 1_000_000]) {
    test(`chunks of shared memory arrive: ${size} bytes (${place})`, async t => {
      const { client, server } = await pair(t, place)
      const chunk = new Uint8Array(new SharedArrayBuffer(size + 10), 5, size)
      chunk.set(pattern(size))
      client.write(chunk)
      client.end(Buffer.from(chunk.buffer, 5, size))
      const received = await receiveAll(server)
      t.true(received.equals(Buffer.concat([pattern(size), pattern(size)])))
    })

    test(`a view into larger memory sends only itself: ${size} bytes (${place})`, async t => {
      const { client, server } = await pair(t, place)
      const memory = pattern(size + 1000)
      client.write(memory.subarray(500, 500 + size))
      client.write(new Uint8Array(memory.buffer, memory.byteOffset + 1, 10))
      client.end()
      const expected = [memory.subarray(500, 500 + size), memory.subarray(1, 11)]
      t.true((await receiveAll(server)).equals(Buffer.concat(expected)))
    })
  }

  for (const size of [1, 100, 8192, 60_000, 65_536, 65_537, 130_000, 190_000, 1_000_000]) {
    test(`received chunks own their memory and nothing else is in it: writes of ${size} bytes (${place})`, async t => {
      const { client, server } = await pair(t, place)
      // Memory that another connection's bytes were in is given back, to be found again.
      const foreign = await pair(t, place)
      foreign.client.end(Buffer.alloc(2_000_000, 0xaa))
      await receiveAll(foreign.server)
      collect()
      const chunks: Buffer[] = []
      server.on('data', (chunk: Buffer) => chunks.push(chunk))
      const sent: Buffer[] = []
      for (let round = 0; round < 8; round++) {
        const bytes = pattern(size, round + 1)
        sent.push(bytes)
        await new Promise(resolve => client.write(bytes, resolve))
        await turns(2)
      }
      client.end()
      await once(server, 'end')
      t.true(Buffer.concat(chunks).equals(Buffer.concat(sent)))
      t.is(new Set(chunks.map(chunk => chunk.buffer)).size, chunks.length, 'no memory is shared')
      for (const { buffer, byteOffset, byteLength } of chunks) {
        const memory = Buffer.from(buffer)
        const rest = [memory.subarray(0, byteOffset), memory.subarray(byteOffset + byteLength)]
        t.true(
          rest.every(part => part.every(byte => byte === 0)),
          `a chunk of ${byteLength} bytes in memory of ${buffer.byteLength}, where other bytes are`,
        )
      }
    })

    test(`received chunks may be transferred: writes of ${size} bytes (${place})`, async t => {
      const { client, server } = await pair(t, place)
      const kept: Uint8Array[] = []
      // Node does not transfer memory that several views share, and reports nothing.
      const left: number[] = []
      server.on('data', (chunk: Buffer) => {
        kept.push(structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] }))
        if (chunk.length > 0) left.push(chunk.length)
      })
      for (let round = 0; round < 4; round++) {
        client.write(pattern(size, round))
        await turns(3)
      }
      client.end()
      await once(server, 'end')
      const expected = [0, 1, 2, 3].map(round => pattern(size, round))
      t.true(Buffer.concat(kept).equals(Buffer.concat(expected)))
      t.deepEqual(left, [], 'lengths of chunks that were not transferred')
    })
  }

  test(`a chunk that is kept stays as it was while others arrive (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const chunks: Buffer[] = []
    server.on('data', (chunk: Buffer) => chunks.push(chunk))
    for (let round = 0; round < 50; round++) {
      await new Promise(resolve => client.write(pattern(200 * round + 1, round), resolve))
    }
    client.end()
    await once(server, 'end')
    const expected = Array.from({ length: 50 }, (_, round) => pattern(200 * round + 1, round))
    t.true(Buffer.concat(chunks).equals(Buffer.concat(expected)))
  })
}
