import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import tls from 'node:tls'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { fetch, HttpsAgent, serve } from '../../http.js'
import { cert, key } from '../helpers/certificate.js'
import { project } from '../helpers/project.js'
import { isDeno, isNode } from '../helpers/runtimes.js'
import { eventually, places } from '../helpers/sockets.js'

/** Serves over TLS at a new path. `connections()` returns how many there were. */
async function serving(
  t: ExecutionContext,
  handler: RequestListener,
): Promise<{ path: string; connections(): number }> {
  const path = places.path(t)
  let count = 0
  const server = createServer(handler)
  // Bun's node:https takes no connection from elsewhere; its node:tls does.
  const secure = tls.createServer({ key, cert }, socket => {
    count++
    server.emit('connection', socket)
  })
  const served = await serve(secure, path)
  t.teardown(async () => {
    server.closeAllConnections()
    await served.close()
  })
  return { path, connections: () => count }
}

/** An agent that trusts the certificate of the tests. */
function trusting(t: ExecutionContext): HttpsAgent {
  const agent = new HttpsAgent({ ca: cert, keepAlive: true })
  t.teardown(() => agent.destroy())
  return agent
}

test('fetch over TLS with the certificate of the server: bodies go both ways, over one connection', async t => {
  t.timeout(30_000)
  const { path, connections } = await serving(t, (request, response) => {
    response.setHeader('x-host', request.headers.host!)
    request.pipe(response)
  })
  const agent = trusting(t)
  const body = Buffer.alloc(1 << 20, '0123456789')
  for (let round = 0; round < 3; round++) {
    const response = await fetch(path, 'https://udsock.test/items', { agent, method: 'POST', body })
    t.is(response.url, 'https://udsock.test/items')
    t.is(response.headers.get('x-host'), 'udsock.test')
    t.true(body.equals(Buffer.from(await response.arrayBuffer())))
  }
  // Deno's node:http keeps no connection for later.
  if (!isDeno) t.is(connections(), 1)
})

test('fetch over TLS refuses a certificate that is not trusted, or not of the host', async t => {
  t.timeout(30_000)
  const { path } = await serving(t, (_request, response) => response.end('text'))
  const codeOf = (url: string, agent?: HttpsAgent): Promise<unknown> =>
    fetch(path, url, { agent }).then(
      () => 'no error',
      (error: TypeError) => error instanceof TypeError && (error.cause as { code?: string }).code,
    )
  t.is(await codeOf('https://udsock.test/'), 'DEPTH_ZERO_SELF_SIGNED_CERT')
  t.is(await codeOf('https://stranger.test/', trusting(t)), 'ERR_TLS_CERT_ALTNAME_INVALID')
})

test('fetch over TLS follows a redirect, and an abort closes the connection', async t => {
  t.timeout(30_000)
  let open = 0
  const { path } = await serving(t, (request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/body' }).end()
    else {
      open++
      request.socket.once('close', () => open--)
      response.write('begin')
    }
  })
  const controller = new AbortController()
  const init = { agent: trusting(t), signal: controller.signal }
  const response = await fetch(path, 'https://udsock.test/moved', init)
  t.is(response.url, 'https://udsock.test/body')
  const reading = response.text()
  await eventually('the request has come', () => open === 1)
  const reason = new Error('enough')
  controller.abort(reason)
  await t.throwsAsync(reading, { is: reason })
  await eventually('its connection is closed', () => open === 0)
})

if (isNode)
  test('fetch over TLS trusts what Node trusts, and a process that has used it ends by itself', async t => {
    t.timeout(30_000)
    const home = project(t)
    writeFileSync(join(home, 'ca.pem'), cert)
    writeFileSync(join(home, 'key.pem'), key)
    const program = `
      import { readFileSync } from 'node:fs'
      import { createServer } from 'node:https'
      import { fetch, serve } from 'udsock/http'
      const options = { key: readFileSync('key.pem'), cert: readFileSync('ca.pem') }
      const server = createServer(options, (request, response) => response.end('trusted'))
      const served = await serve(server, 'tls.sock')
      const response = await fetch('tls.sock', 'https://udsock.test/')
      console.log(await response.text())
      await served.close()`
    writeFileSync(join(home, 'program.js'), program)
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: 'ca.pem' }
    const { stdout } = await promisify(execFile)(process.execPath, ['program.js'], { cwd: home, env })
    t.is(stdout, 'trusted\n')
  })
