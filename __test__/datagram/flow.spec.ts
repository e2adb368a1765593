import test from 'ava'
import { type DatagramSocket } from '../../index.js'
import { eventually, once, places } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { boundSocket, fill, recorded, socketAt, take } from './helpers.js'

leavesNoDescriptors(test)

for (const isConnected of [true, false]) {
  const way = isConnected ? 'to a connected receiver' : 'by address'

  test(`a full receiver makes messages wait, and none is lost or out of order (${way})`, async t => {
    const server = await boundSocket(t)
    const client = await socketAt(t)
    if (isConnected) await client.connect(server.path!)
    const options = isConnected ? {} : { to: server.path }
    const count = 20_000
    const received: number[] = []
    server.on('message', message => received.push(message.readUInt32LE()))
    for (let number = 0; number < count; number++) {
      const message = Buffer.alloc(100)
      message.writeUInt32LE(number)
      if (!client.send(message, options)) await once(client, 'drain')
    }
    await client.close()
    await eventually('all', () => received.length === count)
    t.true(received.every((number, index) => number === index))
  })

  test(`a receiver that pauses gets everything when it goes on (${way})`, async t => {
    const server = await boundSocket(t)
    const client = await socketAt(t)
    if (isConnected) await client.connect(server.path!)
    const taken = await fill(client, isConnected ? undefined : server.path)
    t.true(taken > 0)
    const order: unknown[] = []
    for (let number = 0; number < 50; number++)
      client.send(`${number}`, isConnected ? {} : { to: server.path }, error => order.push([number, error]))
    await new Promise(resolve => setImmediate(resolve))
    t.deepEqual(order, [])
    const events = recorded(server)
    await eventually('all', () => events.length === taken + 51)
    t.deepEqual(
      events.slice(taken + 1),
      Array.from({ length: 50 }, (_, number) => `${number}`),
    )
    await eventually('the callbacks', () => order.length === 50)
    t.deepEqual(
      order,
      Array.from({ length: 50 }, (_, number) => [number, null]),
    )
  })
}

test('a full receiver holds up no message to another one', async t => {
  const [full, free] = [await boundSocket(t), await boundSocket(t)]
  const client = await socketAt(t)
  const taken = await fill(client, full.path)
  const events = recorded(free)
  for (let number = 0; number < 100; number++) await client.sendAndWait(`${number}`, { to: free.path })
  await client.connect(free.path!)
  await client.sendAndWait('connected')
  await eventually('all', () => events.length === 101)
  t.is((await take(full, taken + 1)).at(-1), `filler ${taken}`)
})

test("a connected receiver goes on while another one keeps the kernel's memory", async t => {
  const [full, free] = [await boundSocket(t), await boundSocket(t)]
  const client = await socketAt(t)
  await client.connect(free.path!)
  const large = Buffer.alloc(30_000)
  for (let number = 0; number < 3; number++) client.send(large, { to: full.path })
  const sent = 200
  for (let number = 0; number < sent; number++) client.send(`${number}`)
  const events = recorded(free)
  await eventually('all', () => events.length === sent)
  t.deepEqual(
    events,
    Array.from({ length: sent }, (_, number) => `${number}`),
  )
  client.destroy()
})

test("send() returns false from highWaterMark on, and 'drain' follows", async t => {
  const server = await boundSocket(t)
  const client = await socketAt(t, undefined, { highWaterMark: 1000 })
  await client.connect(server.path!)
  const events = recorded(client)
  while (client.send('x'.repeat(100))) await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => setImmediate(resolve))
  t.deepEqual(events, [])
  t.true(client.send('other', { to: client.path ?? server.path }))
  server.resume()
  await eventually("'drain'", () => events.length > 0)
  t.is(events[0], 'drain')
  t.true(client.send('again'))
})

test('writeLimit bounds what waits: the message fails alone, with or without a callback', async t => {
  const [full, free] = [await boundSocket(t), await boundSocket(t)]
  const client = await socketAt(t, undefined, { highWaterMark: 100, writeLimit: 1000 })
  const events = recorded(client)
  const refused = { code: 'ERR_BACKPRESSURE_LIMIT' }
  const taken = await fill(client, full.path)
  let held = 0
  const hold = async (): Promise<void> => {
    for (;;) {
      const error = await Promise.race([
        client.sendAndWait('x'.repeat(50), { to: full.path }).catch((reason: { code: string }) => reason),
        new Promise<undefined>(resolve => setTimeout(resolve, 20, undefined)),
      ])
      if (error !== undefined) {
        t.is((error as { code: string }).code, refused.code)
        return
      }
      held++
    }
  }
  await hold()
  t.true(held > 0 && held < 20)
  client.send('x'.repeat(50), { to: full.path })
  await eventually('the error', () => events.length === 1)
  t.deepEqual(events, ['error ERR_BACKPRESSURE_LIMIT'])
  await client.sendAndWait('still', { to: free.path })
  t.is((await take(full, taken + 1 + held)).length, taken + 1 + held)
})

test("whenFull 'drop' drops what a full receiver has no room for, and counts it", async t => {
  const server = await boundSocket(t)
  const client = await socketAt(t, undefined, { whenFull: 'drop' })
  await client.connect(server.path!)
  const sent = 1000
  const errors: (string | undefined)[] = []
  for (let number = 0; number < sent - 1; number++)
    client.send(`${number}`, error => errors.push((error as { code?: string } | null)?.code))
  await t.throwsAsync(client.sendAndWait('last'), { code: 'ERR_MESSAGE_DROPPED', message: /has no room/ })
  client.send('without a callback')
  await eventually('all', () => errors.length === sent - 1)
  const delivered = errors.filter(code => code === undefined).length
  t.true(delivered > 0)
  t.true(errors.slice(delivered).every(code => code === 'ERR_MESSAGE_DROPPED'))
  await eventually('the last', () => client.dropped === sent + 1 - delivered)
  t.deepEqual(
    await take(server, delivered),
    Array.from({ length: delivered }, (_, number) => `${number}`),
  )
})

test('a message without a receiver fails alone, and the socket goes on', async t => {
  const path = places.path(t)
  const client = await socketAt(t)
  const events = recorded(client)
  await t.throwsAsync(client.sendAndWait('unconnected'), { code: 'ENOTCONN' })
  await t.throwsAsync(client.sendAndWait('early', { to: path }), {
    code: 'ENOENT',
    message: `send ENOENT ${path}: no such file or directory`,
  })
  client.send('without a callback', { to: path })
  await eventually('the error', () => events.length === 1)
  t.deepEqual(events, ['error ENOENT'])
  const server = await socketAt(t, path)
  await client.sendAndWait('present', { to: path })
  t.deepEqual(await take(server, 1), ['present'])
  await server.close()
  await t.throwsAsync(client.sendAndWait('late', { to: path }), {
    code: 'ECONNREFUSED',
    message: /no socket is bound there/,
  })
})

test('a connected socket reaches the receiver that has replaced its own', async t => {
  const path = places.path(t)
  const first = await socketAt(t, path, { unlinkOnClose: true })
  const client = await socketAt(t)
  await client.connect(path)
  await client.sendAndWait('one')
  t.deepEqual(await take(first, 1), ['one'])
  await first.close()
  await t.throwsAsync(client.sendAndWait('between'), { code: 'ENOENT' })
  await t.throwsAsync(client.sendAndWait('again'), { code: 'ENOENT' })
  const second = await socketAt(t, path)
  await client.sendAndWait('two')
  client.send('three')
  const events = recorded(second)
  await eventually('both', () => events.length === 2)
  t.deepEqual(events, ['two', 'three'])
  await second.close()
  const third = await socketAt(t, path, { onExisting: 'replaceStale' })
  await client.sendAndWait('four')
  t.deepEqual(await take(third, 1), ['four'])
})

test('a message of any length up to the limit is sent, and a longer one is EMSGSIZE or refused', async t => {
  const options = { maxMessageLength: 262_144 }
  const server = await boundSocket(t, 'path', options)
  const client = await socketAt(t, undefined, options)
  const lengths = [1, 8191, 8192, 8193, 65_536, 100_000, 150_000]
  const received: number[] = []
  server.on('message', message => received.push(message.length))
  for (const length of lengths) await client.sendAndWait(Buffer.alloc(length), { to: server.path })
  await eventually('all', () => received.length === lengths.length)
  t.deepEqual(received, lengths)
})

test("a message after close() fails: its callback gets the error, without one 'error' is emitted", async t => {
  const receiver = await boundSocket(t)
  const sender = await socketAt(t)
  const events = recorded(sender)
  const closed = sender.close()
  t.false(sender.send('without a callback', { to: receiver.path }))
  await t.throwsAsync(sender.sendAndWait('awaited', { to: receiver.path }), { code: 'ERR_STREAM_DESTROYED' })
  await closed
  t.deepEqual(events, ['error ERR_STREAM_DESTROYED', 'close'])
  t.false(sender.send('after the close', { to: receiver.path }))
  await new Promise(done => setImmediate(done))
  t.is(events.length, 2)
})

test('destroy() sends what the kernel takes; the rest fails', async t => {
  const server = await boundSocket(t)
  const client = await socketAt(t)
  await client.connect(server.path!)
  const outcomes: unknown[] = []
  for (let number = 0; number < 500; number++)
    client.send(`${number}`, error => outcomes.push((error as { code?: string } | null)?.code ?? number))
  client.destroy()
  client.destroy(new Error('later'))
  await once(client, 'close')
  await eventually('all', () => outcomes.length === 500)
  const sent = outcomes.filter(outcome => typeof outcome === 'number').length
  t.true(sent > 0 && sent < 500)
  t.true(outcomes.slice(sent).every(outcome => outcome === 'ERR_STREAM_DESTROYED'))
  t.is((await take(server, sent)).length, sent)
})

test('destroy(error) is an error of the socket, of its messages and of its iterations', async t => {
  const outcomes: unknown[] = []
  const failing = async (socket: DatagramSocket): Promise<void> => {
    const loop = socket.messages().next()
    socket.destroy(new Error('by design'))
    await t.throwsAsync(loop, { message: 'by design' })
    await once(socket, 'close')
  }
  await failing(await boundSocket(t))
  const heard = await boundSocket(t)
  heard.on('error', error => outcomes.push(error.message))
  await failing(heard)
  t.deepEqual(outcomes, ['by design'])
})

test('a peer that disconnects from its peer loses what it had not read, and that is an error there', async t => {
  const [one, two] = [await boundSocket(t), await boundSocket(t)]
  await one.connect(two.path!)
  await two.connect(one.path!)
  const events = recorded(one)
  await one.sendAndWait('unread')
  two.disconnect()
  await eventually('the error', () => events.length === 1)
  t.deepEqual(events, ['error ECONNRESET'])
  await two.sendAndWait('goes on', { to: one.path })
  await eventually('a message', () => events.length === 2)
  t.is(events[1], 'goes on')
})
