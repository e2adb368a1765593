import { Agent, createServer, type IncomingMessage, request, type RequestOptions } from 'node:http'
import { type Socket } from 'node:net'
import { closed, compare, once, type World } from './helpers.js'

/** An HTTP server behind a server of the world's. */
async function serveHttp(world: World): Promise<() => number> {
  let connections = 0
  const http = createServer((question, answer) => {
    let length = 0
    question.on('data', chunk => (length += chunk.length))
    question.on('end', () => answer.end(`${question.method} ${question.url} ${length}`))
  })
  await world.serve({ allowHalfOpen: true }, accepted => {
    connections++
    http.emit('connection', accepted)
  })
  return () => connections
}

async function ask(world: World, options: RequestOptions, body = ''): Promise<void> {
  const asking = request(options)
  asking.end(body)
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of answer) text += chunk
  world.note('answers', answer.statusCode, text)
}

for (const [title, method, body] of [
  ['a GET', 'GET', ''],
  ['a POST of 1 MB', 'POST', 'b'.repeat(1_000_000)],
] as const)
  compare(`node:http over it: ${title}`, async world => {
    await serveHttp(world)
    const createConnection = (): Socket =>
      world.follow('client', world.net.connect(world.path), ['connect', 'ready', 'error', 'close'])
    await ask(world, { createConnection, method, path: '/question' }, body)
  })

compare('node:http over it: an agent that keeps its connection', async world => {
  const connections = await serveHttp(world)
  class PathAgent extends Agent {
    override createConnection(): Socket {
      return world.follow('client', world.net.connect(world.path), ['connect', 'ready', 'error', 'close'])
    }
  }
  const agent = new PathAgent({ keepAlive: true })
  for (const path of ['/one', '/two', '/three']) await ask(world, { agent, path })
  world.note('connections', connections())
  agent.destroy()
})

compare('node:http over it: a client that goes in the middle', async world => {
  await serveHttp(world)
  const socket = world.follow('client', world.net.connect(world.path), ['connect', 'error', 'close'])
  const asking = request({ createConnection: () => socket, method: 'POST', path: '/' })
  asking.on('error', error => world.note('request', error))
  asking.write('some')
  await once(socket, 'connect')
  asking.destroy()
  await closed(socket)
})
