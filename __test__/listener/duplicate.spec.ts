import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { connect, listen } from '../../index.js'
import { atOnce, listening, once, receiveAll } from '../helpers/sockets.js'
import { leavesNoDescriptors, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

test('a child serves the duplicate of a listener that is closed, and finds clients that wait', async t => {
  t.timeout(60_000)
  const listener = await listening(t)
  const descriptor = listener.duplicate()
  t.is(descriptor.kind, 'socket')
  await listener.close()
  const client = await connect(listener.path)
  client.end('for the child')
  const file = fileURLToPath(new URL('../programs/inherited.js', import.meta.url))
  const child = spawn(process.execPath, [file, '3'], {
    stdio: ['ignore', 'ignore', 'inherit', descriptor.fd],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  t.is(String(await receiveAll(client)), 'for the child')
  t.is(await exited, 0)
  t.true(statSync(listener.path as string).isSocket())
  descriptor.close()
})

test('a listener and its duplicate take connections from one queue, and each closes alone', async t => {
  const listener = await listening(t)
  const other = await listen({ fd: listener.duplicate().release() })
  t.teardown(() => other.close())
  t.is(other.path, listener.path)
  const clients = await Promise.all(Array.from({ length: 2 }, () => connect(listener.path)))
  const accepted = [await listener.accept(), await other.accept()]
  for (const socket of [...clients, ...accepted]) socket.destroy()
  await listener.close()
  const [client, socket] = await Promise.all([connect(listener.path), other.accept()])
  client.destroy()
  socket.destroy()
})

test('a listener with a duplicate drains without refusing the clients of the other one', async t => {
  const listener = await listening(t)
  const other = await listen({ fd: listener.duplicate().release() })
  t.teardown(() => other.close())
  const early = await connect(listener.path)
  await listener.close({ drain: true })
  const first = await listener.accept()
  t.is(await atOnce(listener.accept()), 'ERR_LISTENER_CLOSED')
  const [late, second] = await Promise.all([connect(listener.path), other.accept()])
  late.end('to the other one')
  t.is(String(await receiveAll(second)), 'to the other one')
  for (const socket of [early, first, late, second]) socket.destroy()
})

test('a listener that is closed has no duplicate', async t => {
  const listener = await listening(t)
  await listener.close()
  await turns()
  t.throws(() => listener.duplicate(), { code: 'ERR_LISTENER_CLOSED' })
})
