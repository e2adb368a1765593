import { once } from 'node:events'
import nodeNet, { type Socket } from 'node:net'
import { join } from 'node:path'
import { type Duplex, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import test, { type ExecutionContext } from 'ava'
import { connect, FramedSocket, type UnixSocket } from '../../index.js'
import net from '../../net.js'
import { directory } from '../helpers/sockets.js'
import { leavesNoDescriptors, pattern, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

/** Each with one connection. */
const tries = 20

/** Receives until the end or an error. */
type Reader = (socket: Duplex) => Promise<Buffer>

function ended(socket: Duplex): Promise<void> {
  return new Promise(resolve => {
    socket.on('error', () => {})
    socket.on('close', () => resolve())
  })
}

/** Of which each write takes a turn of the event loop or more. */
function slowly(chunks: Buffer[], turnsPerChunk: number): Writable {
  return new Writable({
    highWaterMark: 1,
    async write(chunk: Buffer, _encoding, callback) {
      await turns(turnsPerChunk)
      chunks.push(chunk)
      callback()
    },
  })
}

const readers: Record<string, Reader> = {
  "'data'": async socket => {
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk as Buffer))
    await ended(socket)
    return Buffer.concat(chunks)
  },
  "an async 'data' handler": async socket => {
    const chunks: Buffer[] = []
    let isOver = false
    socket.on('data', async chunk => {
      await Promise.resolve()
      await new Promise(resolve => process.nextTick(resolve))
      // What a handler does behind an await must not find the socket's error before it.
      if (!isOver) chunks.push(chunk as Buffer)
    })
    socket.on('end', () => (isOver = true))
    socket.on('error', () => (isOver = true))
    await ended(socket)
    return Buffer.concat(chunks)
  },
  "'readable'": async socket => {
    const chunks: Buffer[] = []
    socket.on('readable', () => {
      for (;;) {
        const chunk = socket.read() as Buffer | null
        if (chunk === null) break
        chunks.push(chunk)
      }
    })
    await ended(socket)
    return Buffer.concat(chunks)
  },
  'for await': async socket => {
    const chunks: Buffer[] = []
    socket.on('error', () => {})
    try {
      for await (const chunk of socket) chunks.push(chunk as Buffer)
    } catch {
      // The reset that follows the answer.
    }
    return Buffer.concat(chunks)
  },
  'for await with a slow body': async socket => {
    const chunks: Buffer[] = []
    socket.on('error', () => {})
    try {
      for await (const chunk of socket) {
        await turns(3)
        chunks.push(chunk as Buffer)
      }
    } catch {
      // The reset that follows the answer.
    }
    return Buffer.concat(chunks)
  },
  'iterator()': async socket => {
    const chunks: Buffer[] = []
    const closed = ended(socket)
    try {
      for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer)
      socket.destroy()
    } catch {
      // The reset that follows the answer.
    }
    await closed
    return Buffer.concat(chunks)
  },
  'pipeline()': async socket => {
    const chunks: Buffer[] = []
    const sink = new Writable({
      write(chunk: Buffer, _encoding, callback) {
        chunks.push(chunk)
        callback()
      },
    })
    await pipeline(socket, sink).catch(() => {})
    return Buffer.concat(chunks)
  },
  'pause() and resume()': async socket => {
    const chunks: Buffer[] = []
    socket.on('data', async chunk => {
      chunks.push(chunk as Buffer)
      socket.pause()
      await turns(3)
      socket.resume()
    })
    await ended(socket)
    return Buffer.concat(chunks)
  },
  'a web stream': async socket => {
    const chunks: Uint8Array[] = []
    socket.on('error', () => {})
    try {
      for await (const chunk of Readable.toWeb(socket)) chunks.push(chunk as Uint8Array)
    } catch {
      // The reset that follows the answer.
    }
    return Buffer.concat(chunks)
  },
  'pipe() to a slow stream': async socket => {
    const chunks: Buffer[] = []
    const sink = slowly(chunks, 2)
    const closed = ended(socket)
    socket.pipe(sink)
    await closed
    // pipe() leaves a stream open whose source failed.
    if (!sink.writableEnded) sink.end()
    if (!sink.writableFinished) await once(sink, 'finish')
    return Buffer.concat(chunks)
  },
}

/** What makes a client of a path. */
const clients: Record<string, (path: string) => Promise<Duplex>> = {
  'node:net': async path => nodeNet.connect(path),
  'udsock/net': async path => net.connect(path) as unknown as Duplex,
  udsock: path => connect(path),
}

interface Scene {
  answer: Buffer
  /** What the client sends. */
  ask(socket: Duplex): void
  /** What the server does with a connection: it answers, and closes with unread input. */
  serve(socket: Socket): void
}

function answerAndClose(socket: Socket, answer: Buffer): void {
  socket.write(answer, () => socket.destroy())
}

function upload(socket: Duplex): void {
  const part = Buffer.alloc(16_384, 'u')
  let left = 64
  const send = (): void => {
    while (left-- > 0 && !socket.destroyed) {
      if (!socket.write(part, () => {})) {
        socket.once('drain', send)
        return
      }
    }
  }
  send()
}

const small = Buffer.from('HTTP/1.1 413 Too Large\r\n\r\n')
const large = pattern(100_000)

const scenes: Record<string, Scene> = {
  'a question that is not read': {
    answer: small,
    ask: socket => void socket.write('a question that nobody reads', () => {}),
    serve: socket => setImmediate(answerAndClose, socket, small),
  },
  'a large answer to a question that is not read': {
    answer: large,
    ask: socket => void socket.write('a question that nobody reads', () => {}),
    serve: socket => setImmediate(answerAndClose, socket, large),
  },
  'an upload that is refused': {
    answer: small,
    ask: upload,
    serve: socket => {
      socket.once('readable', () => {
        socket.read(1000)
        answerAndClose(socket, small)
      })
    },
  },
  'too many clients': {
    answer: small,
    ask: socket => void socket.write('a question', () => {}),
    serve: socket => answerAndClose(socket, small),
  },
}

/** A server of node:net in this process. */
async function serving(t: ExecutionContext, serve: (socket: Socket) => void): Promise<string> {
  const path = join(directory(t), 's')
  const server = nodeNet.createServer({ pauseOnConnect: true }, socket => {
    socket.on('error', () => {})
    serve(socket)
  })
  t.teardown(() => server.close())
  server.listen(path)
  await once(server, 'listening')
  return path
}

for (const [name, { answer, ask, serve }] of Object.entries(scenes)) {
  for (const [how, read] of Object.entries(readers)) {
    test(`not one answer is lost: ${name}, read with ${how}`, async t => {
      const path = await serving(t, serve)
      const lost: Record<string, number> = {}
      for (const [client, open] of Object.entries(clients)) {
        lost[client] = 0
        for (let count = 0; count < tries; count++) {
          const socket = await open(path)
          const reading = read(socket)
          ask(socket)
          if (!(await reading).equals(answer)) lost[client]++
          socket.destroy()
        }
      }
      t.log(`lost of ${tries}:`, lost)
      t.deepEqual([lost['udsock/net'], lost['udsock']], [0, 0])
    })
  }

  test(`not one answer is lost: ${name}, read with onread`, async t => {
    const path = await serving(t, serve)
    const lost: Record<string, number> = {}
    type OnRead = { buffer: Buffer; callback(bytesRead: number, buffer: Uint8Array): boolean }
    const openers: Record<string, (onread: OnRead) => Promise<Duplex>> = {
      'node:net': async onread => nodeNet.connect({ path, onread }),
      'udsock/net': async onread => net.connect({ path, onread }) as unknown as Duplex,
      udsock: onread => connect(path, { onread }),
    }
    for (const [client, open] of Object.entries(openers)) {
      lost[client] = 0
      for (let count = 0; count < tries; count++) {
        const chunks: Buffer[] = []
        const socket = await open({
          buffer: Buffer.alloc(10_000),
          callback: (bytesRead, buffer) => {
            chunks.push(Buffer.from(buffer.subarray(0, bytesRead)))
            return true
          },
        })
        const closed = ended(socket)
        // node:net's does not close by itself.
        socket.on('end', () => socket.destroy())
        ask(socket)
        await closed
        if (!Buffer.concat(chunks).equals(answer)) lost[client]++
      }
    }
    t.log(`lost of ${tries}:`, lost)
    t.deepEqual([lost['udsock/net'], lost['udsock']], [0, 0])
  })
}

function frame(payload: Buffer): Buffer {
  const header = Buffer.alloc(4)
  header.writeUInt32BE(payload.length)
  return Buffer.concat([header, payload])
}

for (const how of ['for await', "'message'"]) {
  test(`not one answer is lost: messages, read with ${how}`, async t => {
    const answers = [Buffer.from('one'), pattern(50_000), Buffer.from('three')]
    const path = await serving(t, socket => {
      socket.once('readable', () => answerAndClose(socket, Buffer.concat(answers.map(frame))))
    })
    let lost = 0
    for (let count = 0; count < tries; count++) {
      const socket: UnixSocket = await connect(path)
      const framed = new FramedSocket(socket)
      const received: Buffer[] = []
      framed.on('error', () => {})
      const closed = new Promise<void>(resolve => framed.once('close', resolve))
      for (let message = 0; message < 50; message++) framed.send(pattern(5000), () => {})
      if (how === "'message'") {
        framed.on('message', message => received.push(message))
      } else {
        try {
          for await (const message of framed) {
            await turns(2)
            received.push(message)
          }
        } catch {
          // The reset that follows the answers.
        }
      }
      await closed
      if (!Buffer.concat(received).equals(Buffer.concat(answers))) lost++
    }
    t.is(lost, 0, `of ${tries}`)
  })
}
