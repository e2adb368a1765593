// koa and hapi, which keep account of a server's connections in ways of their own.
import http from 'node:http'
import Hapi from '@hapi/hapi'
import Koa from 'koa'
import { Readable } from 'node:stream'
import { bytes, cases, happened, once, pause, text } from '../cases.js'

async function fetched(options, body) {
  const request = http.request({ agent: false, ...options })
  request.end(body)
  const response = await once(request, 'response')
  return { status: response.statusCode, body: (await bytes(response)).toString() }
}

await cases({
  'koa: bodies and errors': async run => {
    const app = new Koa()
    app.silent = true
    app.use(async context => {
      if (context.path === '/stream') context.body = Readable.from(['a', 'b'])
      else if (context.path === '/fail') context.throw(418, 'teapot')
      else context.body = { path: context.path, ip: context.ip ?? null }
    })
    const server = run.keep(app.listen(0))
    await once(server, 'listening')
    const { port } = server.address()
    for (const path of ['/json', '/stream', '/fail']) run.note((await fetched({ port, path })).body)
  },
  'koa: a client that leaves a stream': async run => {
    const source = new Readable({ read() {} })
    source.push('a part')
    const app = new Koa()
    app.silent = true
    app.use(context => {
      context.body = source
    })
    const server = run.keep(app.listen(0))
    await once(server, 'listening')
    const request = http.get({ port: server.address().port, agent: false })
    request.on('error', () => {})
    const response = await once(request, 'response')
    response.on('error', () => {})
    await happened(response, 'data')
    request.destroy()
    await happened(source, 'close')
    return source.destroyed
  },
  'hapi: routes, payloads and errors': async run => {
    const server = Hapi.server({ port: 0 })
    server.route([
      { method: 'GET', path: '/{name}', handler: request => `hello ${request.params.name}` },
      { method: 'POST', path: '/', handler: request => request.payload },
      { method: 'GET', path: '/fail/now', handler: () => Promise.reject(new Error('fails')) },
    ])
    await server.start()
    run.defer(() => server.stop({ timeout: 0 }))
    const { port } = server.info
    run.note(await fetched({ port, path: '/you' }), await fetched({ port, path: '/fail/now' }))
    const headers = { 'Content-Type': 'application/json' }
    run.note(await fetched({ port, method: 'POST', headers }, '{"a":1}'))
  },
  'hapi: stop waits for requests and ends idle connections': async run => {
    const server = Hapi.server({ port: 0 })
    server.route({
      method: 'GET',
      path: '/{wait}',
      handler: async request => {
        await pause(Number(request.params.wait))
        return 'waited'
      },
    })
    await server.start()
    const { port } = server.info
    const agent = new http.Agent({ keepAlive: true })
    run.defer(() => agent.destroy())
    await fetched({ port, path: '/0', agent })
    const answer = fetched({ port, path: '/40' })
    await pause(10)
    const stopped = server.stop({ timeout: 2_000 })
    run.note((await answer).body)
    await stopped
    run.note(server.info.started)
  },
  'hapi: by a path, with an aborted request': async run => {
    const socketPath = run.path()
    const server = Hapi.server({ port: socketPath })
    const aborted = new Promise(resolve => {
      server.events.on('response', request => resolve(request.response?.statusCode ?? 'no response'))
    })
    server.route({ method: 'GET', path: '/', handler: () => pause(50).then(() => 'late') })
    await server.start()
    run.defer(() => server.stop({ timeout: 0 }))
    const request = http.get({ socketPath, agent: false })
    request.on('error', () => {})
    await happened(server.listener, 'request')
    request.destroy()
    run.note(await aborted)
    const other = http.get({ socketPath, agent: false })
    return text(await once(other, 'response'))
  },
})
