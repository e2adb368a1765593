// Calls of `_write` and `_writev` as Node's pipe() and Writable make them: node:net's socket is the measure.
import { Writable } from 'node:stream'
import test from 'ava'
import { once, pair, receiveAll } from '../helpers/sockets.js'
import { bytes, chunks, chunksOf, contract, large, type OpenSocket } from './writable-helpers.js'
import { turns } from '../helpers/streams.js'

const all = Buffer.concat(chunks)

contract(
  '_write() takes chunk after chunk, each after its callback, while writableLength is 0',
  async run => {
    const receiving = run.received()
    for (const chunk of chunks) {
      await run.write(chunk)
      run.note(run.socket.writableLength)
    }
    run.socket.end(run.noted('ended'))
    return receiving
  },
  { expected: all },
)

contract(
  '_write() from within its callback keeps the order',
  async run => {
    const left = [...chunks]
    const next = (): void => {
      const chunk = left.shift()
      if (chunk === undefined) run.socket.end()
      else run.socket._write(chunk, 'buffer', next)
    }
    next()
    return run.received()
  },
  { expected: all },
)

contract(
  '_write() of more than the kernel takes calls back once, when the peer has read',
  async run => {
    let count = 0
    const written = new Promise<void>(resolve =>
      run.socket._write(large, 'buffer', error => {
        run.note(error ?? 'written', ++count)
        resolve()
      }),
    )
    await turns()
    run.note(count)
    const receiving = run.received()
    await written
    await run.write('the rest')
    run.socket.end()
    return receiving
  },
  { expected: Buffer.concat([large, bytes('the rest')]) },
)

contract(
  '_write() behind write() keeps the order',
  async run => {
    run.socket.write('first ')
    run.socket.write('second ')
    await run.write('third ')
    run.socket.write('fourth')
    await run.write(chunks[6]!)
    run.socket.end()
    return run.received()
  },
  { expected: Buffer.concat([bytes('first second third fourth'), chunks[6]!]) },
)

contract(
  '_writev() takes buffers, small and large',
  async run => {
    const receiving = run.received()
    await run.writev(chunksOf(...chunks))
    await run.writev(chunksOf(...chunks, large))
    await run.writev(chunksOf(bytes('last')))
    run.note(run.socket.writableLength)
    run.socket.end()
    return receiving
  },
  { expected: Buffer.concat([all, all, large, bytes('last')]) },
)

contract(
  '_writev() takes strings and buffers with their encodings',
  async run => {
    const mixed: (Uint8Array | [string, BufferEncoding])[] = [
      ['68c3a4', 'hex'],
      bytes('buffer'),
      ['h\xe4', 'latin1'],
      ['aMOk', 'base64'],
      ['h\xe4', 'utf16le'],
      ['', 'utf8'],
      ['\u{1f600}'.repeat(10_000), 'utf8'],
    ]
    await run.writev(chunksOf(...mixed))
    run.socket.end()
    return run.received()
  },
  {
    expected: Buffer.concat([
      bytes('hä'),
      bytes('buffer'),
      bytes('hä', 'latin1'),
      bytes('hä'),
      bytes('hä', 'utf16le'),
      bytes('\u{1f600}'.repeat(10_000)),
    ]),
  },
)

const writeKnownBuffer = (Writable as { writeKnownBuffer?: (stream: unknown, chunk: Buffer) => unknown })
  .writeKnownBuffer
if (writeKnownBuffer !== undefined)
  contract(
    "Node's writeKnownBuffer(), which pipe() uses, loses nothing beside write()",
    async run => {
      const receiving = run.received()
      for (const chunk of chunks) {
        if (writeKnownBuffer(run.socket, chunk) === undefined) run.socket.write(chunk)
        if (run.socket.writableNeedDrain) await new Promise(resolve => run.socket.once('drain', resolve))
      }
      run.socket.end()
      return receiving
    },
    { expected: all },
  )

const writes: Record<
  string,
  (socket: OpenSocket, chunk: Buffer, callback: (error?: Error | null) => void) => void
> = {
  '_write(chunk)': (socket, chunk, callback) => socket._write(chunk, 'buffer', callback),
  '_writev([small, chunk, small])': (socket, chunk, callback) =>
    socket._writev(chunksOf(bytes('small'), chunk, bytes('small')), callback),
}

for (const [name, write] of Object.entries(writes))
  test(`${name} with a large chunk that is detached while it waits fails with ERR_BUFFER_CHANGED`, async t => {
    t.timeout(30_000)
    const { client, server } = await pair(t)
    const failed = once<NodeJS.ErrnoException>(client, 'error')
    const chunk = Buffer.from(new Uint8Array(large).buffer)
    const codes: unknown[] = []
    const written = new Promise<void>(resolve =>
      write(client as unknown as OpenSocket, chunk, error => {
        codes.push((error as NodeJS.ErrnoException | undefined)?.code)
        resolve()
      }),
    )
    await turns()
    structuredClone(chunk.buffer, { transfer: [chunk.buffer as ArrayBuffer] })
    const received = await receiveAll(server)
    await written
    t.is((await failed).code, 'ERR_BUFFER_CHANGED')
    t.deepEqual(codes, ['ERR_BUFFER_CHANGED'])
    const sent = name.includes('small') ? Buffer.concat([bytes('small'), large]) : large
    t.true(received.length < sent.length)
    t.true(received.equals(sent.subarray(0, received.length)), 'a beginning of what was written')
  })
