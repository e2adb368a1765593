import { createServer, get, request } from 'node:http'
import test from 'ava'
import express from 'express'
import Fastify from 'fastify'
import WebSocket, { WebSocketServer } from 'ws'
import { Agent, serve } from '../../http.js'
import { eventually } from '../helpers/sockets.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import { collect, once, sharedPlaces } from './helpers.js'

leavesNoDescriptors(test)

const apps = {
  express() {
    const app = express()
    app.get('/:name', (question, answer) => answer.send(`hello ${question.params.name}`))
    return createServer(app)
  },
  async fastify() {
    const app = Fastify()
    app.get('/:name', async question => `hello ${question.params.name}`)
    await app.ready()
    return app.server
  },
}

for (const [name, make] of Object.entries(apps))
  for (const [place, pathOf] of Object.entries(sharedPlaces))
    test(`serve() has ${name} listen, and ends it gracefully (${place})`, async t => {
      t.timeout(30_000)
      const path = pathOf(t)
      const server = await make()
      const served = await serve(server, path)
      t.true(server.listening)
      const agent = new Agent(path, { keepAlive: true })
      t.teardown(() => agent.destroy())
      for (let round = 0; round < 5; round++) {
        const response = await once(get({ agent, path: `/${round}` }), 'response')
        t.is(String(await collect(response)), `hello ${round}`)
      }
      await served.close({ drain: true })
      t.false(server.listening)
      const [error] = await new Promise(resolve =>
        request({ agent, path: '/late' })
          .on('error', (...args) => resolve(args))
          .end(),
      )
      t.true(['ENOENT', 'ECONNREFUSED'].includes(error.code), error.code)
    })

test('serve() has a server of ws listen; its connections are waited for', async t => {
  t.timeout(30_000)
  const path = sharedPlaces.path(t)
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => socket.on('message', message => socket.send(message)))
  const served = await serve(server, path)
  const client = new WebSocket(`ws+unix:${path}:/`)
  await once(client, 'open')
  client.send('hello')
  t.is(String(await once(client, 'message')), 'hello')
  let isDrained = false
  const drained = served.close({ drain: true }).then(() => (isDrained = true))
  await eventually('it does not listen any more', () => served.listener.closed)
  t.false(isDrained)
  for (const socket of sockets.clients) socket.close()
  await once(client, 'close')
  await drained
})
