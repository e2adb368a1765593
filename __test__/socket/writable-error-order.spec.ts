// In which order callbacks and events come when a write fails or comes too late: node:net's socket is the measure.
import test, { type ExecutionContext } from 'ava'
import { connect, type UnixSocket } from '../../index.js'
import { listening } from '../helpers/sockets.js'
import { bytes, contract, large, type Run } from './writable-helpers.js'
import { turns } from '../helpers/streams.js'

for (const state of ['connected', 'connecting'] as const) {
  contract(
    'end() a second time reports an error only to its callback',
    async run => {
      const { socket } = run
      run.follow('error', 'finish')
      socket.end('text', run.noted('first'))
      socket.end(run.noted('second'))
      const received = await run.received()
      await turns()
      socket.end(run.noted('third'))
      await turns()
      return received
    },
    { expected: bytes('text'), state },
  )

  for (const [name, work] of Object.entries({
    'write(text, callback)': (run: Run) => run.note(run.socket.write('late', run.noted('late'))),
    'write(buffer)': (run: Run) => run.note(run.socket.write(bytes('late'))),
    'write(empty text, callback)': (run: Run) => run.note(run.socket.write('', run.noted('late'))),
    'end(text, callback)': (run: Run) => run.note(run.socket.end('late', run.noted('late')) === run.socket),
  })) {
    contract(
      `${name} after end() is an error, and the socket closes`,
      async run => {
        const { socket } = run
        const closing = new Promise(resolve => socket.once('close', resolve))
        run.follow('error', 'finish', 'close')
        socket.end('text', run.noted('ended'))
        work(run)
        run.note(socket.destroyed)
        await closing
        await turns()
      },
      { state, isTickwise: true },
    )

    contract(
      `${name} after destroy() fails by its callback alone`,
      async run => {
        const { socket } = run
        const closing = new Promise(resolve => socket.once('close', resolve))
        run.follow('error', 'finish', 'close')
        socket.destroy()
        work(run)
        await closing
        work(run)
        await turns()
      },
      { state, isTickwise: true },
    )
  }

  for (const [name, error] of Object.entries({ 'destroy()': undefined, 'destroy(error)': new Error('mine') }))
    contract(
      `${name} with writes that wait: their callbacks in order, then the events`,
      async run => {
        const { socket } = run
        const closing = new Promise(resolve => socket.once('close', resolve))
        run.follow('error', 'finish', 'drain', 'close')
        // Node's versions differ in the error, and some have none for the write that was begun.
        const failed = (what: string) => (fault?: Error | null) => run.note(fault ? `${what} failed` : what)
        socket.write(large, () => run.note('1'))
        socket.write('second', failed('2'))
        socket.write('', failed('3'))
        socket.end('last', failed('ended'))
        if (state === 'connected') await turns()
        socket.destroy(error)
        run.note('destroyed', socket.writableLength === 0)
        await closing
        await turns()
      },
      { state, isTickwise: true },
    )
}

contract("a write to a peer that has gone: its callback, then 'error', then 'close'", async run => {
  const { socket } = run
  run.follow('error', 'finish', 'close')
  const closing = new Promise(resolve => socket.once('close', resolve))
  const peer = await run.peer
  const gone = new Promise(resolve => peer.once('close', resolve))
  peer.destroy()
  await gone
  socket.write('1', run.noted('1'))
  socket.write('2', run.noted('2'))
  socket.end('3', run.noted('ended'))
  await closing
  await turns()
})

for (const [name, work] of Object.entries<(run: Run) => void>({
  'writes and end()': run => {
    run.socket.write('1', run.noted('1'))
    run.socket.write(large, run.noted('2'))
    run.socket.end('3', run.noted('ended'))
  },
  'a write alone': run => run.socket.write('1', run.noted('1')),
  'corked writes': run => {
    run.socket.cork()
    run.socket.write('1', run.noted('1'))
    run.socket.write('2', run.noted('2'))
  },
  'end() alone': run => run.socket.end(run.noted('ended')),
  'a write and destroy()': run => {
    run.socket.write('1', run.noted('1'))
    run.socket.write('2', run.noted('2'))
    run.socket.destroy()
  },
  'a _write()': run => run.socket._write('1', 'utf8', run.noted('1')),
}))
  contract(
    `${name} before a connection that fails: the callbacks in order, then the events`,
    async run => {
      const { socket } = run
      run.follow('error', 'finish', 'drain', 'close')
      const closing = new Promise(resolve => socket.once('close', resolve))
      work(run)
      await closing
      await turns()
      run.note(socket.writableLength)
    },
    { state: 'failing' },
  )

const limitCode = 'ERR_BACKPRESSURE_LIMIT'
const piece = (number: number): Buffer => Buffer.alloc(65_536, number)

/** Writes pieces 0 to 63 to a peer that does not read, far beyond the limit of its socket. */
const floods: Record<string, (socket: UnixSocket, note: (error?: Error | null) => void) => void> = {
  'writes with callbacks': (socket, note) => {
    for (let number = 0; number < 64; number++) socket.write(piece(number), note)
  },
  'writes without a callback': socket => {
    for (let number = 0; number < 64; number++) socket.write(piece(number))
  },
  'corked writes': (socket, note) => {
    socket.cork()
    for (let number = 0; number < 64; number++) socket.write(piece(number), note)
    socket.uncork()
  },
  'an end(chunk)': (socket, note) => {
    socket.write(piece(0))
    socket.write(piece(1))
    socket.write(large, note)
    socket.end(piece(200), note)
  },
}

/** What a flooded client notes, and what its peer gets, which reads once the client has closed. */
async function flooded(
  t: ExecutionContext,
  flood: (typeof floods)[string],
): Promise<{ events: string[]; received: Buffer }> {
  const listener = await listening(t)
  const connecting = connect(listener.path, { writeLimit: 300_000 })
  const [client, server] = await Promise.all([connecting, listener.accept()])
  t.teardown(() => server.destroy())
  const events: string[] = []
  const closed = new Promise<void>(resolve => client.once('close', resolve))
  // A peer that has nothing to read closes by itself.
  const over = new Promise(resolve => server.once('close', resolve).once('end', resolve))
  server.on('error', () => {})
  client.on('error', (error: NodeJS.ErrnoException) =>
    events.push(`error ${error.code}, destroyed ${client.destroyed}`),
  )
  for (const event of ['drain', 'finish', 'close']) client.on(event, () => events.push(event))
  flood(client, error => {
    if (error) events.push(`callback ${(error as NodeJS.ErrnoException).code}`)
  })
  await closed
  client.write(piece(200))
  await turns()
  const received: Buffer[] = []
  server.on('data', chunk => received.push(chunk))
  await over
  return { events, received: Buffer.concat(received) }
}

const isCallback = (event: string): boolean => event.startsWith('callback')

for (const [name, flood] of Object.entries(floods))
  test(`${name} beyond writeLimit: an error, then 'close', and no hole in what arrives`, async t => {
    t.timeout(30_000)
    const { events, received } = await flooded(t, flood)
    t.deepEqual(
      events.filter(event => !isCallback(event)),
      [`error ${limitCode}, destroyed true`, 'close'],
    )
    if (name !== 'writes without a callback') {
      const index = events.indexOf(`callback ${limitCode}`)
      t.true(index >= 0 && index < events.indexOf(`error ${limitCode}, destroyed true`), events.join())
    }
    const sent = name.startsWith('an end')
      ? Buffer.concat([piece(0), piece(1), large])
      : Buffer.concat(Array.from({ length: 64 }, (_, number) => piece(number)))
    t.true(received.equals(sent.subarray(0, received.length)))
  })
