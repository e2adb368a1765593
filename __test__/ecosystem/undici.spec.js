import { createServer } from 'node:http'
import test from 'ava'
import { Client } from 'undici'
import { connect, listen } from '../../index.js'
import { places } from '../helpers.ts'

for (const [place, path] of Object.entries(places)) {
  test(`a Client over a socket of ours (${place})`, async t => {
    const listener = await listen(path(t))
    const server = createServer((_, response) => response.end('over udsock'))
    const client = new Client('http://localhost', {
      connect: (_, callback) => {
        connect(listener.path).then(
          socket => callback(null, socket),
          error => callback(error, null),
        )
      },
    })
    t.teardown(async () => {
      await client.destroy()
      await listener.close()
    })
    void (async () => {
      for await (const socket of listener) server.emit('connection', socket)
    })()
    const { statusCode, body } = await client.request({ path: '/', method: 'GET' })
    t.is(statusCode, 200)
    t.is(await body.text(), 'over udsock')
  })
}
