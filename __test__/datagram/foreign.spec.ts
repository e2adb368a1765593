import { existsSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { Descriptor, type DatagramInfo } from '../../index.js'
import { eventually, places } from '../helpers/sockets.js'
import { Program, runs, startFile } from '../helpers/program.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { boundSocket, recorded, socketAt } from './helpers.js'

leavesNoDescriptors(test)

const needing = (available: boolean): typeof test => (available ? test : (test.skip as typeof test))
const withPython = needing(runs('python3', '--version'))
const withSocat = needing(runs('socat', '-V'))
const withLogger = needing(runs('logger', '--version'))
const withNotify = needing(runs('systemd-notify', '--version'))

const python = (t: ExecutionContext, ...args: string[]): Program =>
  startFile(t, 'python3', 'datagram-peer.py', args)

withPython('a client in Python sends, is answered, and passes a descriptor', async t => {
  const server = await boundSocket(t, 'path', { credentials: true, receiveDescriptors: 1 })
  const received: [string, DatagramInfo][] = []
  server.on('message', (message, info) => {
    received.push([String(message), info])
    server.send(message, { to: info.from })
  })
  const client = python(t, 'client', String(server.path))
  const { output } = await client.ended
  t.is(output, '0 1 60000')
  t.deepEqual(
    received.map(([message, { from, truncated }]) => [message.length, from, truncated]),
    [0, 1, 60_000].map(length => [length, `${String(server.path)}-python`, false]),
  )
  for (const [, { peer }] of received) t.deepEqual([peer?.uid, peer?.pid], [process.getuid!(), client.pid])
  const [descriptor] = received[2]![1].descriptors
  t.is(descriptor?.kind, 'character')
  descriptor?.close()
})

withPython('a server in Python that is slow gets every message in order, and a descriptor', async t => {
  const path = places.path(t)
  const server = python(t, 'server', path, '3000')
  await eventually('it is bound', () => existsSync(path))
  const client = await boundSocket(t)
  const answered = recorded(client)
  for (let number = 0; number < 2999; number++) client.send(String(number), { to: path })
  await client.sendAndWait('2999', { to: path, descriptors: [Descriptor.duplicate(0)] })
  const { output } = await server.ended
  t.is(output, '3000 in order, 1 descriptor')
  await eventually('the answer', () => answered.length === 1)
  t.deepEqual(answered, ['done'])
})

withSocat('socat sends datagrams, and receives them', async t => {
  const server = await boundSocket(t)
  const events = recorded(server)
  await new Program(t, 'sh', ['-c', `printf hello | socat -u - UNIX-SENDTO:${String(server.path)}`]).ended
  await eventually('it arrives', () => events.length === 1)
  t.deepEqual(events, ['hello'])
  const path = places.path(t)
  const receiver = new Program(t, 'socat', ['-u', `UNIX-RECV:${path}`, '-'])
  await eventually('it is bound', () => existsSync(path))
  const client = await socketAt(t)
  await client.sendAndWait('by path\n', { to: path })
  await client.connect(path)
  await client.sendAndWait('connected\n')
  await receiver.prints('by path')
  await receiver.prints('connected')
})

withLogger("logger(1) writes to a socket of ours as to the system's log", async t => {
  const server = await boundSocket(t)
  const events = recorded(server)
  await new Program(t, 'logger', ['-u', String(server.path), '-p', 'user.err', '-t', 'spec', 'a line']).ended
  await eventually('it arrives', () => events.length === 1)
  t.regex(events[0]!, /^<11>.* spec: a line$/)
})

withNotify('systemd-notify reports to a socket of ours', async t => {
  const server = await boundSocket(t, 'path', { credentials: true })
  const events = recorded(server)
  const env = { NOTIFY_SOCKET: String(server.path) }
  await new Program(t, 'systemd-notify', ['--no-block', '--ready', '--status=in order'], env).ended
  await eventually('it arrives', () => events.length > 0)
  t.deepEqual(
    events[0]!.split('\n').filter(line => /^(READY|STATUS)/.test(line)),
    ['READY=1', 'STATUS=in order'],
  )
})

withPython("a service's state reaches a service manager in the format of sd_notify", async t => {
  const path = places['abstract name']()
  const manager = await socketAt(t, path, { credentials: true })
  const states: [string, number | undefined][] = []
  manager.on('message', (message, { peer }) => states.push([String(message), peer?.pid]))
  // As Python's services do it: a name that begins with @ is an abstract one.
  const program = [
    'import os, socket',
    "name = os.environ['NOTIFY_SOCKET']",
    's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)',
    "s.connect('\\0' + name[1:])",
    "s.sendall(b'READY=1\\nSTATUS=serving')",
  ].join('\n')
  const env = { NOTIFY_SOCKET: `@${Buffer.from(path).subarray(1).toString()}` }
  const service = new Program(t, 'python3', ['-c', program], env)
  await service.ended
  await eventually('it arrives', () => states.length === 1)
  t.deepEqual(states, [['READY=1\nSTATUS=serving', service.pid]])
  const own = await socketAt(t)
  await own.sendAndWait('STOPPING=1', { to: path })
  await eventually('ours arrives', () => states.length === 2)
  t.deepEqual(states[1], ['STOPPING=1', process.pid])
})
