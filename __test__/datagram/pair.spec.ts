import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { adopt, bindDatagram, connect, DatagramSocket, listen, socketpair, UnixSocket } from '../../index.js'
import { directory, eventually } from '../helpers/sockets.js'
import { runs, startFile } from '../helpers/program.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { recorded, take } from './helpers.js'

leavesNoDescriptors(test)

const type = 'datagram'

test('socketpair() makes two sockets for datagrams that are connected to each other', async t => {
  const [one, other] = socketpair({ type, maxMessageLength: 5, credentials: true })
  t.true(one instanceof DatagramSocket && other instanceof DatagramSocket)
  const events = recorded(other)
  one.send('')
  one.send('five5')
  t.throws(() => one.send('more than five'), { code: 'ERR_FRAME_TOO_LARGE' })
  other.send('back')
  t.deepEqual(await take(one, 1), ['back'])
  await eventually('both', () => events.length === 2)
  t.deepEqual(events, ['', 'five5'])
  await one.close()
  t.deepEqual([other.path, other.remotePath], [undefined, undefined])
  await t.throwsAsync(other.sendAndWait('late'), { code: 'ECONNREFUSED' })
  await t.throwsAsync(other.sendAndWait('later'), { code: 'ENOTCONN' })
  await other.close()
})

test('a pair waits for a receiver that pauses, and loses nothing', async t => {
  const [one, other] = socketpair({ type })
  for (let number = 0; number < 1000; number++) one.send(`${number}`)
  await new Promise(resolve => setImmediate(resolve))
  const events = recorded(other)
  await one.close()
  await eventually('all', () => events.length === 1000)
  t.deepEqual(
    events,
    Array.from({ length: 1000 }, (_, number) => `${number}`),
  )
  other.destroy()
})

test('what a pair had sent before connect() elsewhere fails, unless the kernel has it', async t => {
  const [one, other] = socketpair({ type })
  const server = await bindDatagram(`${directory(t)}/s`)
  const outcomes: unknown[] = []
  for (let number = 0; number < 100; number++)
    one.send(Buffer.alloc(9000), error => outcomes.push((error as { code?: string } | null)?.code ?? number))
  await one.connect(server.path!)
  other.resume()
  await one.sendAndWait('elsewhere')
  await eventually('all', () => outcomes.length === 100)
  t.deepEqual(await take(server, 1), ['elsewhere'])
  t.is(outcomes[0], 0)
  t.is(outcomes.at(-1), 'ENOTCONN')
  for (const socket of [one, other, server]) socket.destroy()
})

test('adopt() makes the socket that a descriptor is, without a type', async t => {
  const path = `${directory(t)}/s`
  const listener = await listen(path)
  const [client, server] = await Promise.all([connect(path), listener.accept()])
  const stream = await adopt(await client.detach())
  t.true(stream instanceof UnixSocket)
  for (const socket of [stream, server]) socket.destroy()
  await listener.close()
})

;(runs('python3', '--version') ? test : test.skip)(
  'adopt() takes bound and connected sockets for datagrams that a parent has left open',
  async t => {
    const child = fileURLToPath(new URL('../programs/datagram-child.js', import.meta.url))
    const path = `${directory(t)}/s`
    const { output } = await startFile(t, 'python3', 'datagram-parent.py', [path, process.execPath, child])
      .ended
    t.is(
      output,
      're: to the pair\nre: to the bound one\nre: \nDatagramSocket string DatagramSocket undefined',
    )
    t.true(existsSync(path))
  },
)

test('a socket of another type than it is told is refused, and stays open', async t => {
  const [one, other] = socketpair()
  const descriptor = await one.detach()
  const message = /a socket of another type than SOCK_DGRAM; adopt\(\) takes a Unix-domain datagram socket$/
  await t.throwsAsync(adopt(descriptor, { type }), { code: 'ERR_INVALID_ARG_VALUE', message })
  t.is(descriptor.kind, 'socket')
  descriptor.close()
  other.destroy()
  t.throws(() => socketpair({ type, allowHalfOpen: true } as never), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => socketpair({ type: 'dgram' } as never), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /'datagram'/,
  })
})

test('messages that wait for the other end of a pair are an error once the socket has left it', async t => {
  for (const leave of ['connect', 'disconnect'] as const) {
    const [one, other] = socketpair({ type })
    const server = await bindDatagram(`${directory(t)}/s`)
    const events = recorded(one)
    const outcomes: (string | undefined)[] = []
    // Beyond what the kernel holds.
    for (let number = 0; number < 1000; number++) one.send('without a callback')
    one.send('with one', error => outcomes.push((error as { code?: string } | null)?.code))
    if (leave === 'connect') await one.connect(server.path!)
    else one.disconnect()
    await eventually('both', () => events.length === 1 && outcomes.length === 1)
    t.deepEqual([events, outcomes], [['error ENOTCONN'], ['ENOTCONN']])
    // What it has not read is memory of the sender's.
    other.resume()
    await one.sendAndWait('goes on', { to: server.path })
    t.deepEqual(await take(server, 1), ['goes on'])
    for (const socket of [one, other, server]) await socket.close()
  }
})
