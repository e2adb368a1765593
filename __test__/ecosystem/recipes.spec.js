import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, request } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { serve } from '../../http.js'
import { runs } from '../helpers/program.ts'
import { projectWithExamples, root, runIn } from '../helpers/project.ts'
import { directory, eventually } from '../helpers/sockets.ts'

const examples = join(root, 'examples')
/** The folder of packages that these tests install. */
const modulesOf = name => fileURLToPath(new URL(`node_modules/${name}`, import.meta.url))

test('the example of JSON-RPC runs', async t => {
  const home = projectWithExamples(t)
  symlinkSync(modulesOf('vscode-jsonrpc'), join(home, 'node_modules', 'vscode-jsonrpc'))
  t.deepEqual(await runIn(home, 'examples/json-rpc.js'), { stdout: '3\n', stderr: '' })
})

/** Sets up a tracer that keeps its spans, then connects twice. */
const traced = `
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
const exporter = new InMemorySpanExporter()
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
await import('./examples/tracing.js')
const { connect, listen } = await import('udsock')
const listener = await listen('app.sock', { unlinkOnClose: true })
const socket = await connect('app.sock')
await connect('missing.sock').catch(() => {})
socket.destroy()
await listener.close()
for (const { name, attributes, status, events, ended } of exporter.getFinishedSpans())
  console.log(name, attributes['network.peer.address'], status.code, events.length, ended)
`

test('the example of OpenTelemetry makes a span of each connect, and notes its failure', async t => {
  const home = projectWithExamples(t)
  symlinkSync(modulesOf('@opentelemetry'), join(home, 'node_modules', '@opentelemetry'))
  writeFileSync(join(home, 'traced.mjs'), traced)
  const { stdout } = await runIn(home, 'traced.mjs')
  t.is(stdout, 'connect app.sock 0 0 true\nconnect missing.sock 2 1 true\n')
})

/** A port of this machine that was free a moment ago. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Resolves with the body of the answer, or with the code of the error. */
function get(port) {
  return new Promise(resolve => {
    request({ host: '127.0.0.1', port, path: '/answers', agent: false }, async response => {
      let text = ''
      for await (const chunk of response) text += chunk
      resolve(text)
    })
      .on('error', error => resolve(error.code))
      .end()
  })
}

const proxies = {
  'nginx.conf': home => ['nginx', '-p', home, '-e', 'stderr', '-c', join(home, 'nginx.conf')],
  'haproxy.cfg': home => ['haproxy', '-q', '-f', join(home, 'haproxy.cfg')],
}

for (const [name, commandOf] of Object.entries(proxies)) {
  const [program] = commandOf('')
  const isThere = runs(program, '-v')
  ;(isThere ? test : test.skip)(`${program} with the configuration of the documentation serves`, async t => {
    t.timeout(60_000)
    const home = directory(t)
    const port = await freePort()
    const configuration = readFileSync(join(examples, 'proxies', name), 'utf8').replace('8080', port)
    // The workers of nginx drop the rights of root, which could then not open the files of the test.
    const user = name === 'nginx.conf' && process.geteuid() === 0 ? 'user root;\n' : ''
    writeFileSync(join(home, name), user + configuration)
    const server = createHttpServer((incoming, response) => response.end(`${incoming.url} by a socket`))
    const served = await serve(server, join(home, 'app.sock'))
    const [file, ...args] = commandOf(home)
    const proxy = spawn(file, args, { cwd: home, stdio: 'ignore' })
    t.teardown(async () => {
      proxy.kill('SIGKILL')
      await served.close()
    })
    await eventually('the proxy serves', async () => (await get(port)) === '/answers by a socket')
    t.is(await get(port), '/answers by a socket')
    const exited = once(proxy, 'exit')
    proxy.kill('SIGTERM')
    await exited
  })
}
