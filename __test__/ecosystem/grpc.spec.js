import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import {
  credentials,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  status,
  waitForClientReady,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import test from 'ava'
import { listen } from '../../index.js'
import { connect as connectSocket, createServer, Socket } from '../../net.js'
import { places } from '../helpers/sockets.ts'
import { leavesNoDescriptors, pattern } from '../helpers/streams.ts'
import { Given } from './servers.js'

const definition = loadSync(fileURLToPath(new URL('grpc.proto', import.meta.url)))
const { Blocks } = loadPackageDefinition(definition).udsock
const noLimit = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 }
const large = pattern(10 * 1024 * 1024)

leavesNoDescriptors(test.serial)

class Service {
  constructor() {
    this.cancelled = new Promise(resolve => (this.onCancelled = resolve))
    this.waits = new Promise(resolve => (this.onWait = resolve))
  }

  handlers() {
    return {
      Echo: (call, callback) => callback(null, call.request),
      Many: call => {
        const { content, number: count } = call.request
        let number = 0
        const more = () => {
          while (number < count)
            if (!call.write({ content, number: number++ })) return call.once('drain', more)
          call.end()
        }
        more()
      },
      Gather: (call, callback) => {
        const blocks = []
        call.on('data', block => blocks.push(block.content))
        call.on('end', () => callback(null, { content: Buffer.concat(blocks), number: blocks.length }))
      },
      EchoAll: call => call.pipe(call),
      Wait: (call, callback) => {
        this.answer = () => callback(null, call.request)
        call.on('cancelled', () => this.onCancelled())
        this.onWait()
      },
      Fail: (call, callback) => callback({ code: status.FAILED_PRECONDITION, details: 'not today ☃' }),
    }
  }
}

/** gRPC's server has a seam for connections: an injector. */
const servings = {
  'a listener': async (path, injector, given) => {
    const listener = await listen(path)
    const done = (async () => {
      for await (const socket of listener) injector.injectConnection(given.add(socket))
    })()
    return async () => {
      await listener.close()
      await done
    }
  },
  'a Server of udsock/net': async (path, injector, given) => {
    const server = createServer(socket => injector.injectConnection(given.add(socket)))
    await once(server.listen(path), 'listening')
    return async () => server.close()
  },
}

async function serving(t, kind) {
  const path = places.path(t)
  const service = new Service()
  const server = new Server(noLimit)
  server.addService(Blocks.service, service.handlers())
  const given = new Given()
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const close = await servings[kind](path, injector, given)
  const client = new Blocks(`unix:${path}`, credentials.createInsecure(), noLimit)
  t.teardown(async () => {
    client.close()
    server.forceShutdown()
    await close()
  })
  return { path, service, server, given, client, close }
}

/** A unary call as a promise. */
function called(client, method, request, ...options) {
  return new Promise((resolve, reject) => {
    client[method](request, ...options, (error, answer) => (error ? reject(error) : resolve(answer)))
  })
}

function shutDown(server) {
  return new Promise((resolve, reject) => server.tryShutdown(error => (error ? reject(error) : resolve())))
}

async function exchange(t, client) {
  const content = Buffer.from('snow ☃')
  t.deepEqual(await called(client, 'Echo', { content, number: 7 }), { content, number: 7 })
  const echoed = await called(client, 'Echo', { content: large })
  t.true(large.equals(echoed.content))

  const block = pattern(3000, 3)
  let number = 0
  for await (const answer of client.Many({ content: block, number: 5000 })) {
    if (answer.number !== number++ || !block.equals(answer.content)) t.fail(`block ${number} is another`)
  }
  t.is(number, 5000)

  const parts = Array.from({ length: 2000 }, (_, n) => pattern((n * 13) % 5000, n))
  const gathered = await new Promise((resolve, reject) => {
    const call = client.Gather((error, answer) => (error ? reject(error) : resolve(answer)))
    for (const part of parts) call.write({ content: part })
    call.end()
  })
  t.is(gathered.number, parts.length)
  t.true(Buffer.concat(parts).equals(gathered.content))

  const call = client.EchoAll()
  for (const part of parts) call.write({ content: part })
  call.write({ content: large })
  call.end()
  const answers = []
  for await (const answer of call) answers.push(answer.content)
  t.is(answers.length, parts.length + 1)
  t.true(large.equals(answers.at(-1)))
  t.true(parts.every((part, index) => part.equals(answers[index])))
}

for (const kind of Object.keys(servings)) {
  test.serial(`grpc-js: unary calls and streams in each direction, and 10 MiB (${kind})`, async t => {
    const { server, given, client } = await serving(t, kind)
    await exchange(t, client)
    const many = Array.from({ length: 500 }, (_, number) => called(client, 'Echo', { number }))
    t.true((await Promise.all(many)).every((answer, number) => answer.number === number))
    t.is(given.sockets.length, 1)
    client.close()
    await shutDown(server)
    await given.allClose(t)
  })

  test.serial(`grpc-js: errors, deadlines and cancelled calls (${kind})`, async t => {
    const { service, server, given, client } = await serving(t, kind)
    const failure = { code: status.FAILED_PRECONDITION }
    const error = await t.throwsAsync(called(client, 'Fail', {}), failure)
    t.is(error.details, 'not today ☃')
    await t.throwsAsync(called(client, 'Wait', {}, { deadline: Date.now() + 200 }), {
      code: status.DEADLINE_EXCEEDED,
    })
    await service.cancelled
    const next = new Service()
    service.onWait = next.onWait
    service.onCancelled = next.onCancelled
    let call
    const cancelled = new Promise(resolve => (call = client.Wait({}, resolve)))
    await next.waits
    call.cancel()
    t.is((await cancelled).code, status.CANCELLED)
    await next.cancelled
    const stream = client.Many({ content: large, number: 1000 })
    await once(stream, 'data')
    const [failed] = await Promise.all([once(stream, 'error'), stream.cancel()])
    t.is(failed[0].code, status.CANCELLED)
    t.is((await called(client, 'Echo', { number: 8 })).number, 8)
    client.close()
    await shutDown(server)
    await given.allClose(t)
  })

  test.serial(`grpc-js: a server that shuts down lets the call end that it has begun (${kind})`, async t => {
    const { service, server, given, client, close } = await serving(t, kind)
    const answer = called(client, 'Wait', { number: 9 })
    await service.waits
    await close()
    const down = shutDown(server)
    service.answer()
    t.is((await answer).number, 9)
    await down
    await given.allClose(t)
    await t.throwsAsync(called(client, 'Echo', {}), { code: status.UNAVAILABLE })
  })

  test.serial(`grpc-js: a server that is shut down by force fails the call (${kind})`, async t => {
    const { service, server, given, client } = await serving(t, kind)
    const answer = t.throwsAsync(called(client, 'Wait', {}))
    await service.waits
    server.forceShutdown()
    t.true([status.CANCELLED, status.UNAVAILABLE].includes((await answer).code))
    await given.allClose(t)
  })

  test.serial(
    `grpc-js: a connection that is lost fails the call, and the next one has another (${kind})`,
    async t => {
      const { service, server, given, client } = await serving(t, kind)
      const answer = t.throwsAsync(called(client, 'Wait', {}))
      await service.waits
      given.sockets[0].destroy()
      t.true([status.CANCELLED, status.UNAVAILABLE].includes((await answer).code))
      await new Promise((resolve, reject) =>
        waitForClientReady(client, Date.now() + 20_000, error => (error ? reject(error) : resolve())),
      )
      t.is((await called(client, 'Echo', { number: 1 })).number, 1)
      t.is(given.sockets.length, 2)
      client.close()
      await shutDown(server)
      await given.allClose(t)
    },
  )
}

// It calls connect() of node:net, and has no option for another. Who replaces that replaces it for the whole process.
test.serial("grpc-js: the client has no seam of its own, but works on node:net's place", async t => {
  const { path, server, given, client } = await serving(t, 'a listener')
  const made = new Given()
  const { connect } = net
  // Clients of other tests may still be trying.
  net.connect = (address, callback) =>
    address.path === path ? made.add(connectSocket(address, callback)) : connect(address, callback)
  t.teardown(() => (net.connect = connect))
  await exchange(t, client)
  t.true(made.sockets[0] instanceof Socket)
  client.close()
  await shutDown(server)
  await given.allClose(t)
  await made.allClose(t)
})
