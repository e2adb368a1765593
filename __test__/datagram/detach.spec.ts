import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { adopt, type DatagramSocket, type Descriptor, socketpair } from '../../index.js'
import { runs } from '../helpers/program.js'
import { atOnce, directory, eventually, once, places } from '../helpers/sockets.js'
import { leavesNoDescriptors, turns } from '../helpers/streams.js'
import { boundSocket, fill, recorded, socketAt, take } from './helpers.js'

leavesNoDescriptors(test)

const type = 'datagram'

function sockets(t: ExecutionContext): [DatagramSocket, DatagramSocket] {
  const pair = socketpair({ type })
  t.teardown(() => {
    for (const socket of pair) socket.destroy()
  })
  return pair
}

/** The socket of a descriptor, which is destroyed after the test. */
async function adopted(t: ExecutionContext, descriptor: Descriptor): Promise<DatagramSocket> {
  const socket = await adopt(descriptor, { type })
  t.teardown(() => socket.destroy())
  return socket
}

test('a detached socket is bound as before, keeps its file, and has what was in the kernel', async t => {
  const path = `${directory(t)}/s`
  const server = await socketAt(t, path, { unlinkOnClose: true, credentials: true })
  const client = await boundSocket(t)
  await client.connect(path)
  const events = recorded(server)
  server.pause()
  await client.sendAndWait('before')
  await client.sendAndWait('')
  const descriptor = await server.detach()
  t.is(descriptor.kind, 'socket')
  await eventually('it is closed', () => events.length > 0)
  t.deepEqual(events, ['close'])
  t.true(existsSync(path))
  await client.sendAndWait('after')
  const again = await adopted(t, descriptor)
  t.is(again.path, path)
  t.deepEqual(await take(again, 3), ['before', '', 'after'])
  again.send('back', { to: client.path! })
  t.deepEqual(await take(client, 1), ['back'])
})

test('a detached socket is connected as before', async t => {
  const server = await boundSocket(t)
  const client = await socketAt(t)
  await client.connect(server.path!)
  const again = await adopted(t, await client.detach())
  again.send('still connected')
  t.deepEqual(await take(server, 1), ['still connected'])
})

test('detach() waits for every receiver, and sends what is sent meanwhile', async t => {
  const [full, other] = [await boundSocket(t), await boundSocket(t)]
  const client = await socketAt(t)
  const count = await fill(client, full.path)
  const detached = client.detach()
  client.send('to another one', { to: other.path! })
  t.deepEqual(await take(other, 1), ['to another one'])
  t.is(await atOnce(detached), 'pending')
  client.send('the last', { to: full.path! })
  const events = recorded(full)
  const descriptor = await detached
  descriptor.close()
  await eventually('all', () => events.length === count + 2)
  t.is(events.at(-1), 'the last')
})

test('a message that cannot be sent fails alone, and not detach()', async t => {
  const client = await socketAt(t)
  const path = places.path(t)
  const failed = t.throwsAsync(client.sendAndWait('nobody', { to: path }), { code: 'ENOENT' })
  const errors: unknown[] = []
  client.on('error', error => errors.push((error as NodeJS.ErrnoException).code))
  client.send('nobody', { to: path })
  const descriptor = await client.detach()
  await failed
  await eventually('the error', () => errors.length > 0)
  t.deepEqual(errors, ['ENOENT'])
  descriptor.close()
})

test('detach() rejects while messages are undelivered, and the socket goes on', async t => {
  const [one, other] = sockets(t)
  const messages = other.messages()
  const first = messages.next()
  for (let number = 0; number < 3; number++) one.send(`${number}`)
  t.is(String((await first).value?.data), '0')
  await eventually('more than one has arrived', () => other.bytesRead > 1)
  await t.throwsAsync(other.detach(), {
    code: 'ERR_INVALID_STATE',
    message: /^(1 message was|2 messages were) received and not delivered; receive them before detach\(\)$/,
  })
  for (const expected of ['1', '2']) t.is(String((await messages.next()).value?.data), expected)
  const last = messages.next()
  const descriptor = await other.detach()
  t.is((await last).done, true)
  descriptor.close()
})

test('messages that arrive in the turn in which detach() is called are delivered or left in the kernel', async t => {
  const expected = Array.from({ length: 40 }, (_, number) => `${number}`)
  for (let round = 0; round < 50; round++) {
    const [one, other] = sockets(t)
    const received: string[] = []
    const detached = new Promise<Descriptor>((resolve, reject) => {
      other.on('message', message => {
        received.push(String(message))
        if (received.length === 1) other.detach().then(resolve, reject)
      })
    })
    for (const [number, message] of expected.entries()) {
      one.send(message)
      if (number % 7 === 6) await turns(1)
    }
    const rest = await adopted(t, await detached)
    rest.on('message', message => received.push(String(message)))
    await eventually('all', () => received.length === expected.length)
    t.deepEqual(received, expected)
  }
})

test('a listener that is added while detach() waits gets nothing', async t => {
  const full = await boundSocket(t)
  const client = await boundSocket(t)
  await fill(client, full.path)
  const detached = client.detach()
  const events = recorded(client)
  full.send('for the next owner', { to: client.path! })
  await turns(10)
  full.resume()
  const again = await adopted(t, await detached)
  t.deepEqual(await take(again, 1), ['for the next owner'])
  t.deepEqual(events, ['close'])
})

test('detach() of a socket that is closed is an error', async t => {
  const [one, other] = sockets(t)
  await one.close()
  await t.throwsAsync(one.detach(), { code: 'ERR_INVALID_STATE', message: /is closed/ })
  other.destroy()
  await t.throwsAsync(other.detach(), { code: 'ERR_INVALID_STATE', message: /is closed/ })
  const full = await boundSocket(t)
  for (const end of ['close', 'destroy'] as const) {
    const client = await socketAt(t)
    await fill(client, full.path)
    const detached = client.detach()
    await t.throwsAsync(client.detach(), { code: 'ERR_INVALID_STATE', message: /before/ })
    void client[end]()
    if (end === 'close') full.resume()
    const code = end === 'close' ? 'ERR_INVALID_STATE' : 'ERR_STREAM_DESTROYED'
    await t.throwsAsync(detached, { code })
    full.pause()
  }
})

const python = runs('python3', '--version')
;(python ? test : test.skip)(
  'another program has a detached socket, which brings no credentials',
  async t => {
    const path = places.path(t)
    const server = await socketAt(t, path, { credentials: true })
    const client = await boundSocket(t)
    const descriptor = await server.detach()
    const program = [
      'import socket',
      's = socket.socket(fileno=0)',
      'for _ in range(2):',
      '    data, control, flags, address = s.recvmsg(100, 1000)',
      '    s.sendto(data.upper() + b"%d" % len(control), address)',
    ].join('\n')
    const child = spawn('python3', ['-c', program], { stdio: [descriptor.fd, 'inherit', 'inherit'] })
    descriptor.close()
    client.send('slowly ', { to: path })
    client.send('', { to: path })
    t.deepEqual(await take(client, 2), ['SLOWLY 0', '0'])
    if (child.exitCode === null) await once(child, 'exit')
  },
)
