import test from 'ava'
import { connect } from '../../index.js'
import { everyPlace, eventually, listening, once, pair, receive, receiveAll } from '../helpers/sockets.js'
import {
  argument,
  closedAndQuiet,
  fill,
  leavesNoDescriptors,
  netConnect,
  pattern,
  recorded,
  tooMuch,
  turns,
} from '../helpers/streams.js'
import { start } from '../helpers/program.js'

leavesNoDescriptors(test)

type Failure = NodeJS.ErrnoException | null | undefined

const partings: [string, string][] = [
  ['write, destroy', 'last words'],
  ['write, exit', 'last words'],
  ['write in a timer, exit', 'last words'],
  ['several writes, exit', 'last words'],
  ["write in 'exit'", 'last words'],
  ["write, exit, write in 'exit'", 'last words'],
  ['write in data, exit', '?last words'],
  ['write, throw', 'last words'],
  ['write a large chunk, destroy', 'l'.repeat(100_000)],
  ['large chunks, exit', 'l'.repeat(100_000)],
  ['end with a chunk, exit', 'last words'],
]

for (const [way, expected] of partings) {
  for (const [who, place] of [
    ['udsock', 'path'],
    ['udsock', 'abstract name'],
    ['net', 'path'],
  ] as const) {
    test(`"${way}" delivers${who === 'net' ? ' by node:net, our measure' : ` (${place})`}`, async t => {
      t.timeout(30_000)
      const listener = await listening(t, place)
      const { ended } = start(t, 'socket-parting.js', [argument(listener.path), way, who])
      const server = await listener.accept()
      t.teardown(() => server.destroy())
      if (way.includes('data')) {
        t.is(String(await receive(server, 1)), '?')
        server.write('!')
      }
      const received = String(await receiveAll(server))
      t.is(way.includes('data') ? `?${received}` : received, expected)
      t.is((await ended).code, way.endsWith('throw') ? 1 : 0)
    })
  }
}

for (const place of everyPlace) {
  test(`write and destroy deliver what the kernel takes, in order (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const sent = pattern(150_000)
    for (let from = 0; from < sent.length; from += 5000) client.write(sent.subarray(from, from + 5000))
    client.destroy()
    t.true((await receiveAll(server)).equals(sent))
  })

  test(`destroy() with bytes that the kernel has no room for sends what fits and fails the rest (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const codes: unknown[] = []
    const note = (error: Failure): void => void codes.push(error?.code)
    client.write(Buffer.alloc(tooMuch, 'f'), note)
    client.write('never', note)
    client.write(pattern(10_000), note)
    const events = recorded(client)
    client.destroy()
    await closedAndQuiet(client)
    t.deepEqual(codes, Array(3).fill('ERR_STREAM_DESTROYED'))
    t.deepEqual(events, ['close'])
    const received = await receiveAll(server)
    t.is(received.length, client.bytesWritten)
    t.true(received.length < tooMuch)
    t.true(received.every(byte => byte === 102))
  })

  test(`destroy() with unread input: the peer reads a clean end (${place})`, async t => {
    const { client, server } = await pair(t, place)
    server.write(pattern(100_000))
    await turns(1)
    client.write('bye')
    client.destroy()
    const events = recorded(server)
    t.is(String(await receiveAll(server)), 'bye')
    t.deepEqual(events, ['end'])
  })

  test(`destroy() with input in the stream's buffer: the peer reads a clean end (${place})`, async t => {
    const { client, server } = await pair(t, place)
    server.write(pattern(200_000))
    client.read(0)
    await once(client, 'readable')
    client.destroy()
    t.is((await receiveAll(server)).length, 0)
  })

  test(`destroy() while the peer is still sending: its writes fail with EPIPE, it reads a clean end (${place})`, async t => {
    const { client, server } = await pair(t, place)
    let code: unknown
    const done = new Promise<void>(resolve =>
      server.write(Buffer.alloc(tooMuch), (error: Failure) => {
        code = error?.code
        resolve()
      }),
    )
    server.on('error', () => {})
    await turns(2)
    client.destroy()
    await done
    t.is(code, 'EPIPE')
    await closedAndQuiet(server)
  })

  test(`destroy() with unread input: a node:net peer reads a clean end (${place})`, async t => {
    if (place !== 'path') return t.pass('node:net knows no abstract names before Node 22')
    const listener = await listening(t, place)
    const peer = await netConnect(t, listener.path)
    const server = await listener.accept()
    let error: Failure
    peer.on('error', failure => (error = failure))
    peer.write('unread')
    await turns(3)
    server.destroy()
    peer.resume()
    await once(peer, 'end')
    t.is(error, undefined)
    return undefined
  })

  test(`a write to a peer that is gone reports EPIPE to its callback and to 'error', once (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    server.destroy()
    await closedAndQuiet(server)
    const codes: unknown[] = []
    for (const chunk of ['x', Buffer.from('y'), 'z']) {
      client.write(chunk, error => codes.push((error as Failure)?.code))
    }
    await closedAndQuiet(client)
    t.is(codes[0], 'EPIPE')
    t.is(codes.length, 3)
    t.deepEqual(events, ['end', 'error EPIPE', 'close'])
    t.is((client.errored as Failure)?.syscall, 'write')
    t.is((client.errored as Failure)?.errno, -32)
  })

  test(`a large write to a peer that is gone reports EPIPE (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    server.destroy()
    const code = await new Promise(resolve =>
      client.write(Buffer.alloc(100_000), error => resolve((error as Failure)?.code)),
    )
    t.is(code, 'EPIPE')
    await closedAndQuiet(client)
    t.deepEqual(events, ['error EPIPE', 'close'])
  })

  test(`a peer that goes while bytes wait: each callback gets an error, 'close' once (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    const codes: unknown[] = []
    client.write(Buffer.alloc(tooMuch), error => codes.push((error as Failure)?.code))
    client.write('small', error => codes.push((error as Failure)?.code))
    await turns(2)
    server.destroy()
    await closedAndQuiet(client)
    t.is(codes[0], 'EPIPE')
    t.is(codes.length, 2)
    t.truthy(codes[1])
    t.deepEqual(events, ['end', 'error EPIPE', 'close'])
  })

  test(`end() to a peer that is gone closes without an error (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    server.destroy()
    await closedAndQuiet(server)
    client.end()
    client.resume()
    await closedAndQuiet(client)
    t.deepEqual(events.toSorted(), ['close', 'end', 'finish'])
    t.is(events.at(-1), 'close')
  })

  test(`a peer killed in full traffic: what it had sent is read, then the end or ECONNRESET, 'close' once (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const running = start(t, 'socket-parting.js', [argument(listener.path), 'flow'])
    const server = await listener.accept()
    t.teardown(() => server.destroy())
    const events = recorded(server)
    let foreign = 0
    server.on('data', (chunk: Buffer) => (foreign += chunk.filter(byte => byte !== 107).length))
    const more = (): void => {
      if (!server.destroyed) server.write(pattern(65_536), error => error ?? more())
    }
    more()
    await eventually('1 MiB has come', () => server.bytesRead > 1 << 20)
    running.kill('SIGKILL')
    await closedAndQuiet(server)
    t.is((await running.ended).signal, 'SIGKILL')
    t.is(foreign, 0)
    t.is(events.filter(event => event === 'close').length, 1)
    t.is(events.at(-1), 'close')
    t.regex(events.filter(event => event.startsWith('error')).join(), /^(error (EPIPE|ECONNRESET))?$/)
  })

  test(`a peer gone before accept left its bytes (${place})`, async t => {
    const listener = await listening(t, place)
    for (const leave of ['end', 'destroy'] as const) {
      const client = await connect(listener.path)
      client.write(pattern(50_000))
      client[leave]()
      await (leave === 'destroy' ? closedAndQuiet(client) : once(client, 'finish'))
      const server = await listener.accept()
      t.true((await receiveAll(server)).equals(pattern(50_000)))
      server.destroy()
      client.destroy()
    }
  })

  test(`a process gone before accept left its bytes (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const { ended } = start(t, 'socket-parting.js', [argument(listener.path), 'write, exit'])
    t.is((await ended).code, 0)
    const server = await listener.accept()
    t.is(String(await receiveAll(server)), 'last words')
    const events = recorded(server)
    server.end('nobody')
    await closedAndQuiet(server)
    t.deepEqual(events, ['error EPIPE', 'close'])
  })

  test(`destroySoon() closes when all is in the kernel (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    const skipped = fill(client)
    client.write('last')
    client.destroySoon()
    client.destroySoon()
    t.false(client.destroyed)
    const received = await receiveAll(server)
    t.is(String(received.subarray(skipped)), 'last')
    await closedAndQuiet(client)
    t.deepEqual(
      events.filter(event => event !== 'drain'),
      ['finish', 'close'],
    )
  })
}
