import test from 'ava'
import { everyPlace, listening, once, pair } from '../helpers/sockets.js'
import { generator, leavesNoDescriptors, turns } from '../helpers/streams.js'
import { connect, type UnixSocket } from '../../index.js'

leavesNoDescriptors(test)

/**
 * Writes in ticks, and waits for 'drain' once what it keeps and what the socket keeps is too much.
 * Source: OutgoingMessage and socketOnDrain of node:http, since Node 26.
 */
class Message {
  readonly #socket: UnixSocket
  readonly #chunks: Buffer[] = []
  #needDrain = false
  #onDrain = () => {}

  constructor(socket: UnixSocket) {
    this.#socket = socket
    socket.on('drain', () => this.#drained())
  }

  get #length(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, this.#socket.writableLength)
  }

  write(chunk: Buffer): boolean {
    if (this.#chunks.push(chunk) === 1) process.nextTick(() => this.#release())
    const more = this.#length < this.#socket.writableHighWaterMark
    this.#needDrain ||= !more
    return more
  }

  drain(): Promise<void> {
    return new Promise(resolve => {
      this.#onDrain = resolve
    })
  }

  #release(): void {
    this.#socket.cork()
    for (const chunk of this.#chunks.splice(0)) this.#socket.write(chunk)
    this.#socket.uncork()
    this.#drained()
  }

  #drained(): void {
    if (!this.#needDrain || this.#length > 0) return
    this.#needDrain = false
    this.#onDrain()
  }
}

for (const place of everyPlace) {
  test(`a writer that writes in ticks and obeys writableLength always gets its 'drain' (${place})`, async t => {
    t.timeout(60_000)
    const pairs = await Promise.all(Array.from({ length: 3 }, () => pair(t, place)))
    const random = generator(26)
    let open = pairs.length
    const messages = pairs.map(({ client }) => new Message(client))
    const written = pairs.map(() => 0)
    const write = (index: number, most: number): boolean => {
      const length = 1 + random(most)
      written[index]! += length
      return messages[index]!.write(Buffer.alloc(length))
    }
    // What one receives has another write meanwhile, whether that one waits or not.
    for (const { server } of pairs)
      server.on('data', () => {
        if (open === pairs.length) write(random(pairs.length), 2000)
      })
    await Promise.all(
      messages.map(async (message, index) => {
        for (let round = 0; round < 300; round++) if (!write(index, 120_000)) await message.drain()
        open--
      }),
    )
    await Promise.all(
      pairs.map(async ({ client, server }) => {
        const ended = once(server, 'end')
        process.nextTick(() => client.end())
        await ended
      }),
    )
    t.deepEqual(
      pairs.map(({ server }) => server.bytesRead),
      written,
    )
  })

  test(`a 'drain' is not lost when the kernel has room in the middle of a turn (${place})`, async t => {
    t.timeout(30_000)
    const other = await pair(t, place)
    const listener = await listening(t, place, { highWaterMark: 200_000 })
    const onread = { buffer: Buffer.alloc(1e6), callback: () => {} }
    const [reader, socket] = await Promise.all([connect(listener.path, { onread }), listener.accept()])
    t.teardown(() => {
      reader.destroy()
      socket.destroy()
    })
    reader.pause()
    const message = new Message(socket)
    let written = 0
    while (socket.bytesWritten === written && socket.writableLength === 0) {
      socket.write(Buffer.alloc(8192))
      written += 8192
      await turns(1)
    }
    while (socket.writableLength < 130_000) {
      socket.write(Buffer.alloc(8192))
      written += 8192
    }
    t.false(socket.writableNeedDrain)
    const drained = new Promise<void>(resolve => {
      other.server.once('data', () => {
        t.false(message.write(Buffer.alloc(150_000)))
        void message.drain().then(resolve)
        reader.resume()
      })
    })
    other.client.write('x')
    await drained
    socket.end()
    await once(reader, 'end')
    t.is(reader.bytesRead, written + 150_000)
  })
}
