import { existsSync } from 'node:fs'
import { type Socket } from 'node:net'
import test from 'ava'
import { connect } from '../../index.js'
import { answerTo } from '../helpers/http.js'
import { eventually, once, receiveAll } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { agentTo, connections, get, request, site, text, visitor } from './serve-helpers.js'

leavesNoDescriptors(test)

test('server.close() closes idle connections, lets requests finish, and calls back', async t => {
  const answers: (() => void)[] = []
  const { server, path } = await site(t, (incoming, response) => {
    if (incoming.url === '/slow') answers.push(() => response.end('slow'))
    else response.end('quick')
  })
  const agent = agentTo(t, path)
  const idle = await visitor(t, path, request('/'))
  await eventually('it is idle', () => idle.received() !== '')
  const slow = text(get(agent, '/slow', { headers: { connection: 'close' } }))
  await eventually('the slow request is there', () => answers.length === 1)
  const closed = new Promise(resolve => server.close(resolve))
  await idle.closed
  await eventually('the file is gone', () => !existsSync(path as string))
  await eventually('one is left', async () => (await connections(server)) === 1)
  answers[0]!()
  t.is(await slow, 'slow')
  t.is(await closed, undefined)
})

test('close() ends idle connections, and requests in flight with Connection: close', async t => {
  const answers: (() => void)[] = []
  const { server, served, path } = await site(t, (_, response) => {
    answers.push(() => response.end('slow'))
  })
  const agent = agentTo(t, path)
  const slow = answerTo(get(agent))
  await eventually('the request is there', () => answers.length === 1)
  const ended = once(server, 'close')
  await served.close()
  t.false(existsSync(path as string))
  answers[0]!()
  const { headers, body } = await slow
  t.deepEqual([headers.connection, String(body)], ['close', 'slow'])
  await ended
})

test.serial('a server that drains waits for no idle client and no silent one', async t => {
  const times: number[] = []
  // Another process may have had the processor in one round.
  for (let round = 0; round < 3; round++) {
    const { served, path } = await site(t, (_, response) => response.end('x'))
    const idle = await visitor(t, path, request('/'))
    const silent = await visitor(t, path)
    await eventually('one is idle', () => idle.received() !== '')
    const start = performance.now()
    await served.close({ drain: true })
    times.push(performance.now() - start)
    await Promise.all([idle.closed, silent.closed])
  }
  t.true(Math.min(...times) < 100, `it took ${times.join(', ')} ms`)
})

test('a server that drains answers requests in flight and clients in the queue, and no others', async t => {
  t.timeout(30_000)
  const answers = new Map<string, () => void>()
  const { server, served, path } = await site(
    t,
    (incoming, response) => {
      if (incoming.url === '/begun') response.write('half, ')
      if (incoming.url === '/queued') response.end('queued')
      else answers.set(incoming.url!, () => response.end('whole'))
    },
    { maxConnections: 3 },
  )
  const agent = agentTo(t, path)
  const waiting = answerTo(get(agent, '/waiting'))
  const begun = answerTo(get(agent, '/begun'))
  // It has sent half of its head when the server begins to drain.
  const half = await connect(path)
  half.write('GET /half HTTP/1.1\r\nHost:')
  await eventually('all are there', async () => answers.size === 2 && (await connections(server)) === 3)
  const queued = [answerTo(get(agent, '/queued')), answerTo(get(agent, '/queued'))]
  await eventually('both wait in the queue', () => {
    const sockets = Object.values(agent.sockets).flatMap(list => list ?? [])
    return sockets.length === 4 && sockets.every(socket => !socket.connecting)
  })

  let isDrained = false
  const drained = served.close({ drain: true }).then(() => (isDrained = true))
  await eventually('no client gets in', () =>
    connect(path).then(
      socket => {
        socket.destroy()
        return false
      },
      () => true,
    ),
  )
  half.write(' x\r\n\r\n')
  await eventually('it has come', () => answers.size === 3)
  t.false(isDrained)
  for (const answer of answers.values()) answer()
  const late = String(await receiveAll(half))
  half.destroy()
  t.regex(late, /\r\nConnection: close\r\n.*whole/s)
  for (const [answer, body] of [
    [waiting, 'whole'],
    ...queued.map(one => [one, 'queued'] as const),
  ] as const) {
    const { headers, body: received } = await answer
    t.deepEqual([headers.connection, String(received)], ['close', body])
  }
  t.is(String((await begun).body), 'half, whole')
  await drained
  t.false(server.listening)
})

test('of pipelined requests none is lost when the server drains', async t => {
  const answers: (() => void)[] = []
  const { served, path } = await site(t, (incoming, response) => {
    answers.push(() => response.end(incoming.url))
  })
  const client = await visitor(t, path, request('/1') + request('/2') + request('/3'))
  await eventually('all are there', () => answers.length === 3)
  const drained = served.close({ drain: true })
  await new Promise(resolve => setImmediate(resolve))
  for (const answer of answers) answer()
  await drained
  await client.closed
  t.deepEqual(client.received().match(/(?<=\r\n)\/\d/g), ['/1', '/2', '/3'])
})

test('a connection that was upgraded is waited for', async t => {
  const { server, served, path } = await site(t, () => {})
  let upgraded: Socket | undefined
  server.on('upgrade', (_, socket) => {
    upgraded = socket as Socket
    socket.resume()
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
  })
  const client = await visitor(
    t,
    path,
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
  )
  await eventually('it is upgraded', () => upgraded !== undefined)
  let isDrained = false
  const drained = served.close({ drain: true }).then(() => (isDrained = true))
  await eventually('the file is gone', () => !existsSync(path as string))
  await new Promise(resolve => setTimeout(resolve, 20))
  t.false(isDrained)
  upgraded!.end('bye')
  await drained
  await client.closed
  t.regex(client.received(), /bye$/)
})

test('await using serves until the end of its scope', async t => {
  const { served, path } = await site(t, (_, response) => response.end())
  await served[Symbol.asyncDispose]()
  t.false(existsSync(path as string))
})
