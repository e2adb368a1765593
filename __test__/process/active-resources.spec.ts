import { createHook } from 'node:async_hooks'
import { createServer, get, type IncomingMessage } from 'node:http'
import test, { type ExecutionContext } from 'ava'
import { Agent, serve } from '../../http.js'
import { connect, listen } from '../../index.js'
import net from '../../net.js'
import { closed, codeOf, eventually, once, places } from '../helpers/sockets.js'
import { isNode } from '../helpers/runtimes.js'

interface Resource {
  hasRef(): boolean
}

/** Collects the resources of this package that async_hooks reports from now on: those alive, by their type. */
function collect(t: ExecutionContext): { of(type: string): Resource[]; refs(type: string): boolean[] } {
  const alive = new Map<number, [string, Resource]>()
  const hook = createHook({
    init(id, type, _trigger, resource) {
      if (type.startsWith('Unix')) alive.set(id, [type, resource as Resource])
    },
    destroy: id => void alive.delete(id),
  }).enable()
  t.teardown(() => hook.disable())
  const of = (wanted: string): Resource[] =>
    [...alive.values()].filter(([type]) => type === wanted).map(([, resource]) => resource)
  return { of, refs: type => of(type).map(resource => resource.hasRef()) }
}

const serial = isNode ? test.serial : test.serial.skip

serial('the resource of a listener is referenced as the listener is, and not after its end', async t => {
  const { of, refs } = collect(t)
  const path = places.path(t)
  const pending = listen(path)
  t.deepEqual(refs('UnixListener'), [true], 'a call of listen() keeps the process alive')
  const listener = await pending
  const [resource] = of('UnixListener')
  t.true(resource!.hasRef())
  listener.unref()
  t.false(resource!.hasRef())
  listener.ref()
  t.true(resource!.hasRef())
  t.is(await codeOf(listen(path)), 'EADDRINUSE')
  await eventually('the failed call is over', () => of('UnixListener').length === 1)
  await listener.close()
  t.false(resource!.hasRef())
  await eventually('it is destroyed', () => of('UnixListener').length === 0)
})

serial('the resource of a socket is referenced as the socket is, and not after its end', async t => {
  const { of, refs } = collect(t)
  const path = places.path(t)
  const listener = await listen(path)
  const pending = connect(path)
  t.deepEqual(refs('UnixSocket'), [true], 'a call of connect() keeps the process alive')
  const [client, server] = await Promise.all([pending, listener.accept()])
  const resources = of('UnixSocket')
  t.deepEqual(refs('UnixSocket'), [true, true])
  client.unref()
  t.deepEqual(refs('UnixSocket'), [false, true])
  server.unref()
  client.ref()
  t.deepEqual(refs('UnixSocket'), [true, false])
  server.ref()
  client.destroy()
  server.destroy()
  await closed(client, server)
  t.deepEqual(
    resources.map(resource => resource.hasRef()),
    [false, false],
  )
  await listener.close()
  await eventually('all are destroyed', () => of('UnixSocket').length === 0)
})

serial('the resources of udsock/net are referenced as servers and sockets are', async t => {
  const { of, refs } = collect(t)
  const path = places.path(t)
  const unconnected = new net.Socket()
  t.deepEqual(refs('UnixSocket'), [false])
  const server = net.createServer().listen(path)
  await once(server, 'listening')
  t.deepEqual(refs('UnixListener'), [true])
  server.unref()
  t.deepEqual(refs('UnixListener'), [false])
  server.ref()
  t.deepEqual(refs('UnixListener'), [true])
  const client = unconnected.connect(path)
  const [accepted] = await Promise.all([once(server, 'connection'), once(client, 'connect')])
  await eventually('the context before connect() is over', () => of('UnixSocket').length === 2)
  t.deepEqual(refs('UnixSocket'), [true, true])
  client.unref()
  t.deepEqual(refs('UnixSocket'), [false, true])
  const failing = net.connect(`${path}.absent`)
  t.deepEqual(refs('UnixSocket').at(-1), true, 'a socket that connects')
  await once(failing, 'error')
  client.destroy()
  ;(accepted as net.Socket).destroy()
  await once(server.close(), 'close')
  await eventually('all are destroyed', () => of('UnixSocket').length + of('UnixListener').length === 0)
})

serial("a socket has one resource, also after requests of node:http's agent", async t => {
  const { of, refs } = collect(t)
  const path = places.path(t)
  const served = await serve(
    createServer((_request, response) => response.end('text')),
    path,
  )
  const agent = new Agent(path, { keepAlive: true })
  for (let count = 0; count < 3; count++) {
    const response = (await once(get({ agent }), 'response')) as IncomingMessage
    await once(response.resume(), 'end')
  }
  await eventually('the earlier contexts are over', () => of('UnixSocket').length === 2)
  t.true(refs('UnixSocket').includes(true))
  agent.destroy()
  await served.close()
  await eventually('all are destroyed', () => of('UnixSocket').length === 0)
})

serial('the context of a callback keeps nothing alive', async t => {
  const { refs } = collect(t)
  const path = places.path(t)
  const listener = await listen(path)
  const [client, server] = await Promise.all([connect(path), listener.accept()])
  server.setTimeout(1000, () => {})
  client.write('text', () => {})
  t.deepEqual(refs('UnixSocketWrite'), [false])
  t.deepEqual(refs('UnixSocketTimeout'), [false])
  client.destroy()
  server.destroy()
  await closed(client, server)
  await listener.close()
})
