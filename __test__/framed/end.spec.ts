import test from 'ava'
import { FramedSocket } from '../../index.js'
import { failsForWantOfPeer, frames, rawPair, recorded, recordedEnds } from './helpers.js'
import { eventually, everyPlace, once, pair, places, receiveAll } from '../helpers/sockets.js'
import { leavesNoDescriptors, pattern, turns } from '../helpers/streams.js'
import { start } from '../helpers/program.js'

leavesNoDescriptors(test)

type Failure = NodeJS.ErrnoException

/** A gate that a test opens. */
function gate(): { opened: Promise<void>; open: () => void } {
  let resolveOpened: () => void
  const opened = new Promise<void>(resolve => (resolveOpened = resolve))
  return { opened, open: () => resolveOpened() }
}

for (const place of everyPlace) {
  test(`a loop that gets the end ends the socket, and never while its body runs (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const events = recordedEnds(framed)
    const received = receiveAll(raw)
    raw.end(frames('one', 'two'))
    const { opened, open } = gate()
    const seen: string[] = []
    const looping = (async () => {
      for await (const message of framed) {
        seen.push(String(message))
        if (String(message) === 'two') await opened
        framed.send(`got ${message}`)
      }
      t.true(framed.socket.writableEnded, 'ended when the loop is over')
    })()
    await eventually('the last message has come', () => seen.length === 2)
    await turns(5)
    t.false(framed.socket.writableEnded, 'the body runs')
    open()
    await looping
    t.true((await received).equals(frames('got one', 'got two')))
    await eventually('it closes', () => events.includes('close'))
    t.deepEqual(events, ['end', 'close'])
  })

  test(`two loops share the messages, and the last one that gets the end ends the socket (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const { opened, open } = gate()
    let loops = 0
    const loop = async (): Promise<void> => {
      for await (const message of framed) if (String(message) === 'slow') await opened
      loops++
    }
    const all = Promise.all([loop(), loop()])
    raw.end(frames('slow', 'fast', 'fast'))
    await eventually('one loop is over', () => loops === 1)
    t.false(framed.socket.writableEnded)
    open()
    await all
    t.true(framed.socket.writableEnded)
  })

  test(`a socket without a reader of its messages closes when its peer has gone (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const events = recordedEnds(framed)
    raw.destroy()
    await eventually('it closes', () => events.includes('close'))
    t.deepEqual(events, ['end', 'close'])
  })

  test(`an async 'message' handler still answers a client that has half-closed (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const { opened, open } = gate()
    framed.on('message', async message => {
      await opened
      await turns(2)
      framed.send(`got ${message}`)
    })
    const ended = once(framed, 'end')
    raw.end(frames('one', 'two'))
    const received = receiveAll(raw)
    await ended
    await turns(5)
    t.false(framed.socket.writableEnded)
    open()
    t.true((await received).equals(frames('got one', 'got two')))
    await eventually('it closes', () => framed.socket.closed)
  })

  test(`so does one of once(), and of several listeners the slowest is waited for (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const { opened, open } = gate()
    framed.once('message', async message => {
      await opened
      framed.send(`once ${message}`)
    })
    framed.on('message', async message => framed.send(`on ${message}`))
    framed.on('message', message => framed.send(`plain ${message}`))
    const ended = once(framed, 'end')
    raw.end(frames('one', 'two'))
    const received = receiveAll(raw)
    await ended
    await turns(5)
    open()
    const expected = frames('on one', 'plain one', 'on two', 'plain two', 'once one')
    t.true((await received).equals(expected))
  })

  test(`plain handlers, and resume() without any, end the socket behind 'end' (${place})`, async t => {
    for (const read of ['on', 'resume'] as const) {
      const { raw, framed } = await rawPair(t, place)
      if (read === 'on') framed.on('message', message => framed.send(message))
      else framed.resume()
      framed.on('end', () => framed.send('bye'))
      raw.end(frames('one'))
      t.true((await receiveAll(raw)).equals(read === 'on' ? frames('one', 'bye') : frames('bye')))
      await eventually('it closes', () => framed.socket.closed)
    }
  })

  test(`pause() keeps the end back for a handler that answers in a callback (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    framed.on('message', message => {
      framed.pause()
      setTimeout(() => {
        framed.send(`got ${message}`)
        framed.resume()
      }, 20)
    })
    raw.end(frames('one', 'two'))
    t.true((await receiveAll(raw)).equals(frames('got one', 'got two')))
  })

  test(`with allowHalfOpen only end() ends the socket (${place})`, async t => {
    const readers: ((framed: FramedSocket) => unknown)[] = [
      framed => framed.resume(),
      framed => framed.on('message', async () => {}),
      async framed => {
        for await (const _ of framed);
      },
    ]
    for (const read of readers) {
      const { raw, framed } = await rawPair(t, place, { allowHalfOpen: true })
      const ended = once(framed, 'end')
      const reading = read(framed)
      raw.end(frames('one'))
      await ended
      if (reading instanceof Promise) await reading
      await turns(5)
      t.true(framed.socket.writable)
      framed.end('late')
      t.true((await receiveAll(raw)).equals(frames('late')))
    }
  })

  test(`a peer that does not wait for the last answers fails no loop that is over (${place})`, async t => {
    for (const listens of [false, true]) {
      const { raw, framed } = await rawPair(t, place)
      const errors: string[] = []
      if (listens) framed.on('error', error => errors.push((error as Failure).code!))
      raw.end(frames('one'))
      for await (const _ of framed) for (let count = 0; count < 40; count++) framed.send(pattern(100_000))
      t.true(framed.socket.writableEnded)
      raw.destroy()
      await once(framed, 'close')
      t.is(errors.length, listens ? 1 : 0)
      if (!listens) continue
      t.regex(errors[0]!, /^(EPIPE|ECONNRESET)$/)
    }
  })

  test(`a message behind the loop's end is an 'error' all the same (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    raw.end(frames('one'))
    for await (const _ of framed);
    const failed = once<Failure>(framed, 'error')
    framed.send('late')
    t.is((await failed).code, 'ERR_STREAM_WRITE_AFTER_END')
  })

  test(`messages that came whole before a reset are delivered before the error (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const { opened, open } = gate()
    const seen: string[] = []
    const looping = (async () => {
      for await (const message of framed) {
        seen.push(String(message))
        await opened
      }
    })()
    raw.write(Buffer.concat([frames('one', 'two', 'three'), Buffer.from([0, 0])]))
    await eventually('the first comes', () => seen.length === 1)
    framed.send('unread by the peer')
    await turns(3)
    raw.destroy()
    await eventually('the reset comes', () => raw.closed)
    framed.send('this finds the peer gone', () => {})
    await eventually('the socket fails', () => framed.socket.destroyed)
    open()
    await failsForWantOfPeer(t, looping)
    t.deepEqual(seen, ['one', 'two', 'three'])
  })

  test(`a paused 'message' listener gets them, too, and then the error (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const events = recorded(framed)
    framed.on('message', () => framed.pause())
    raw.write(frames('one', 'two', 'three'))
    await eventually('the first comes', () => events.length === 1)
    framed.send('unread by the peer')
    await turns(3)
    raw.destroy()
    await eventually('the peer is gone', () => raw.closed)
    framed.send('this finds the peer gone', () => {})
    await eventually('the socket fails', () => framed.socket.closed)
    for (let count = 2; count <= 3; count++) {
      framed.resume()
      await eventually('the next comes', () => events.length >= count)
    }
    framed.resume()
    await eventually('it closes', () => events.includes('close'))
    t.deepEqual(events.slice(0, 3), ['one', 'two', 'three'])
    t.regex(events[3]!, /^error (ECONNRESET|EPIPE)$/)
    t.deepEqual(events.slice(4), ['close'])
  })
}

test("the socket's own allowHalfOpen does not end it in front of the answers", async t => {
  const { client, server } = await pair(t, 'path', { allowHalfOpen: false })
  const framed = new FramedSocket(server)
  framed.on('message', async message => {
    await turns(5)
    framed.send(`got ${message}`)
  })
  client.end(frames('one'))
  t.true((await receiveAll(client)).equals(frames('got one')))
})

test('removed listeners get no message, and those of an emission are those of its beginning', async t => {
  const { raw, framed } = await rawPair(t, 'path')
  const seen: string[] = []
  const late = (message: Buffer): unknown => seen.push(`late ${message}`)
  const first = (message: Buffer): void => {
    seen.push(`first ${message}`)
    framed.off('message', first)
    framed.on('message', late)
  }
  framed.on('message', first)
  framed.on('message', message => {
    seen.push(`second ${message}`)
    if (String(message) === 'two') framed.removeAllListeners('message').on('message', late)
  })
  raw.end(frames('one', 'two', 'three'))
  await eventually('it closes', () => framed.socket.closed)
  t.deepEqual(seen, ['first one', 'second one', 'second two', 'late two', 'late three'])
})

test("a rejected promise of a 'message' handler is unhandled, or destroys the socket where rejections are captured", async t => {
  const run = async (...args: string[]): Promise<string[]> => {
    const { ended } = start(t, 'framed-reject.js', [places.path(t), ...args])
    const { code, output, errors } = await ended
    t.is(code, 0, errors)
    return (JSON.parse(output) as string[]).toSorted()
  }
  t.deepEqual(await run(), ['close', 'unhandled rejected'])
  t.deepEqual(await run('capture'), ['close', 'error rejected'])
})
