import { Duplex } from 'node:stream'
import test from 'ava'
import {
  FramedSocket,
  type MessageSocket as PublicSocket,
  socketpair,
  type SocketPairOptions,
} from '../../index.js'
import * as internals from '../../dist/message-socket.js'
import { start } from '../helpers/program.js'
import { once } from '../helpers/sockets.js'

/** The declarations leave out what a subclass needs. */
const { MessageSocket, transmit } = internals as unknown as {
  MessageSocket: new (stream: Duplex, decoder: object, options: object) => PublicSocket
  transmit: symbol
}

/** Holds whole messages, as a socket with records delivers them. */
class Records {
  readonly #messages: Buffer[] = []
  readonly info = { descriptors: [], truncated: false }

  get isEmpty(): boolean {
    return this.#messages.length === 0
  }

  push(message: Buffer): void {
    this.#messages.push(message)
  }

  next(): Buffer | undefined {
    return this.#messages.shift()
  }

  end(): void {}

  discard(): void {}
}

/** A stream of records that sends to itself. */
const echo = (): Duplex =>
  new Duplex({
    objectMode: true,
    read() {},
    write(message, _encoding, callback) {
      this.push(message)
      callback()
    },
    final(callback) {
      this.push(null)
      callback()
    },
  })

type Callback = (error?: Error | null) => void

class RecordSocket extends MessageSocket {
  readonly #stream: Duplex

  constructor(stream: Duplex) {
    super(stream, new Records(), { maxMessageLength: 100, allowHalfOpen: false })
    this.#stream = stream
  }

  [transmit](bytes: Uint8Array, callback?: Callback): boolean {
    return this.#stream.write(Buffer.from(bytes), callback)
  }
}

test('a message socket works over any stream, and an empty record is a message', async t => {
  const socket = new RecordSocket(echo())
  socket.send('one')
  socket.send('')
  await socket.sendAndWait(new Uint8Array([1, 2]))
  socket.end('last')
  const received: string[] = []
  for await (const message of socket) received.push(message.toString('latin1'))
  t.deepEqual(received, ['one', '', '\x01\x02', 'last'])
  t.throws(() => socket.send('x'.repeat(101)), { code: 'ERR_FRAME_TOO_LARGE' })
})

test("a message socket over any stream waits for the promises of its 'message' listeners before it ends", async t => {
  const events: string[] = []
  const stream = echo()
  const socket = new RecordSocket(stream)
  stream.push(Buffer.from('question'))
  stream.push(null)
  socket.on('message', async message => {
    await once(socket, 'end')
    events.push(`${message} ${stream.writableEnded}`)
  })
  await once(socket, 'close')
  events.push('close')
  t.deepEqual(events, ['question false', 'close'])
})

test('a loop that is left while it waits for a message ends, and others fail', async t => {
  const socket = new RecordSocket(echo())
  const [left, other] = [socket.messages(), socket.messages()]
  const next = left.next()
  const failure = t.throwsAsync(other.next(), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  t.true((await left.return!()).done)
  t.true((await next).done)
  await failure
})

test("an 'error' listener that throws keeps no message socket from closing", async t => {
  const { ended } = start(t, 'message-error-throws.js')
  const { code, output, errors } = await ended
  t.is(code, 0, errors)
  const kinds = ['framed', 'packet', 'datagram']
  t.deepEqual(JSON.parse(output), {
    outcomes: Object.fromEntries(kinds.map(kind => [kind, `${kind} in a loop`])),
    uncaught: kinds.flatMap(kind =>
      ['without a listener', 'in a loop', 'disposed of'].map(how => `${kind} ${how}`),
    ),
  })
})

/** The first of two connected sockets, of each kind. */
const kinds = {
  FramedSocket: (options?: SocketPairOptions): PublicSocket => new FramedSocket(socketpair(options)[0]),
  PacketSocket: (options?: SocketPairOptions): PublicSocket =>
    socketpair({ ...options, type: 'seqpacket' })[0],
}

for (const [kind, make] of Object.entries(kinds)) {
  test(`end() of a destroyed ${kind} calls back with an error`, async t => {
    const socket = make().destroy()
    const codes: unknown[] = []
    const note = (error?: Error | null): unknown => codes.push((error as NodeJS.ErrnoException).code)
    socket.end(note)
    socket.end('a message', note)
    await once(socket, 'close')
    await new Promise<void>(resolve => socket.end(error => resolve(void note(error))))
    t.deepEqual(codes, Array(3).fill('ERR_STREAM_DESTROYED'))
  })

  test(`destroy(error) of a ${kind} that has just failed emits one error, which its loop throws, too`, async t => {
    const socket = make({ highWaterMark: 0, writeLimit: 0 })
    const errors: string[] = []
    socket.on('error', error => errors.push(error.message))
    const next = t.throwsAsync(socket.messages().next(), { message: 'by design' })
    // The peer does not read, so the limit is reached.
    for (let number = 0; number < 2000; number++) socket.send(Buffer.alloc(900))
    socket.destroy(new Error('by design'))
    await once(socket, 'close')
    await next
    t.deepEqual(errors, ['by design'])
  })
}
