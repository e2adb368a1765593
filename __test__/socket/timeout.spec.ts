import { Socket } from 'node:net'
import { inspect } from 'node:util'
import test from 'ava'
import { everyPlace, listening, once, pair, receive } from '../helpers/sockets.js'
import { argument, leavesNoDescriptors, recorded, turns } from '../helpers/streams.js'
import { start } from '../helpers/program.js'

leavesNoDescriptors(test)

const never = 60_000
const thrownCode = (work: () => unknown): unknown => {
  try {
    work()
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

for (const milliseconds of [undefined, null, '5', true, {}, Number.NaN, -1, Infinity, 1.5, 0, -0, 5]) {
  test(`setTimeout(${inspect(milliseconds)}) is refused or taken as by node:net`, async t => {
    const { client } = await pair(t)
    const plain = new Socket()
    t.teardown(() => plain.destroy())
    const expected = thrownCode(() => plain.setTimeout(milliseconds as never))
    t.is(
      thrownCode(() => client.setTimeout(milliseconds as never)),
      expected,
    )
    if (expected === undefined) t.is(client.timeout, plain.timeout as number)
  })
}

test('setTimeout refuses a callback that is no function, as node:net', async t => {
  const { client } = await pair(t)
  const plain = new Socket()
  t.teardown(() => plain.destroy())
  for (const callback of [null, 1, 'x', {}]) {
    for (const milliseconds of [0, never]) {
      const expected = thrownCode(() => plain.setTimeout(milliseconds, callback as never))
      t.is(
        thrownCode(() => client.setTimeout(milliseconds, callback as never)),
        expected,
        `${milliseconds} ${String(callback)}`,
      )
    }
  }
})

test('setTimeout beyond 2^31 - 1 ms is shortened to it, as by node:net', async t => {
  const { client } = await pair(t)
  t.notThrows(() => client.setTimeout(2 ** 31))
})

for (const place of everyPlace) {
  test(`silence is reported once, and the socket stays open (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    let calls = 0
    t.is(
      client.setTimeout(20, () => calls++),
      client,
    )
    t.is(client.timeout, 20)
    await once(client, 'timeout')
    const other = once(server, 'timeout')
    server.setTimeout(100)
    await other
    t.deepEqual(events, ['timeout'])
    t.is(calls, 1)
    client.write('still open')
    t.is(String(await receive(server, 10)), 'still open')
  })

  test(`bytes in either direction begin a new silence (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.setTimeout(20)
    await once(client, 'timeout')
    const afterSending = once(client, 'timeout')
    client.write('x')
    await afterSending
    client.resume()
    const afterReceiving = once(client, 'timeout')
    server.write('x')
    await afterReceiving
    t.pass()
  })

  test(`traffic keeps 'timeout' away (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    server.pipe(server)
    client.setTimeout(1500)
    const until = Date.now() + 2000
    while (Date.now() < until) {
      client.write('ping')
      t.is(String(await receive(client, 4)), 'ping')
    }
    t.deepEqual(events, [])
  })

  test(`setTimeout(0) ends the waiting and takes the callback back (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const callback = (): void => t.fail()
    client.setTimeout(10, callback)
    t.is(client.listenerCount('timeout'), 1)
    client.setTimeout(0, callback)
    t.is(client.listenerCount('timeout'), 0)
    t.is(client.timeout, 0)
    client.on('timeout', callback)
    server.setTimeout(100)
    await once(server, 'timeout')
    client.off('timeout', callback)
  })

  test(`a closed socket reports no silence (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    client.setTimeout(10)
    client.destroy()
    client.setTimeout(10)
    server.setTimeout(100)
    await once(server, 'timeout')
    t.deepEqual(events, ['close'])
  })

  test(`destroy inside 'timeout' closes once (${place})`, async t => {
    const { client } = await pair(t, place)
    const events = recorded(client)
    client.setTimeout(10, () => client.destroy())
    await once(client, 'close')
    await turns(3)
    t.deepEqual(events, ['timeout', 'close'])
  })

  test(`a timeout keeps no process alive (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const { ended } = start(t, 'socket-alive.js', [argument(listener.path), 'unref and timeout'])
    const server = await listener.accept()
    t.teardown(() => server.destroy())
    t.deepEqual(await ended, { code: 0, signal: null, output: 'open', errors: '' })
  })
}
