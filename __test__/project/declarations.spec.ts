import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { directory } from '../helpers/sockets.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

const program = `
import { connect, FramedSocket, listen, type MessageSocket, type UnixListener } from 'udsock'
import net, { type AddressInfo, type Server, type Socket } from 'udsock/net'
import { Agent, HttpsAgent, serve, undiciConnector } from 'udsock/http'

const framed: MessageSocket = new FramedSocket(await connect('/run/a'), { maxMessageLength: 10 })
for await (const message of framed) framed.send(message)
const listener: UnixListener = await listen('/run/b', { backlog: 511 })
for await (const socket of listener) socket.end('text')
const client: Socket = new net.Socket().connect('/run/c')
const server: Server = net.createServer(socket => socket.pipe(client))
const sameServer: net.Server = server
const sameClient: net.Socket = client
const address: string | net.AddressInfo | AddressInfo | null = sameServer.address()
const agents = [new Agent('/run/d', { keepAlive: true }), new HttpsAgent({ socketPath: '/run/e' })]
export { address, agents, sameClient, serve, undiciConnector }
`

test("the declarations compile in a user's project that checks them", async t => {
  const project = directory(t)
  mkdirSync(join(project, 'node_modules'))
  symlinkSync(root, join(project, 'node_modules', 'udsock'))
  symlinkSync(join(root, 'node_modules', '@types'), join(project, 'node_modules', '@types'))
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: false,
  }
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['user.ts'] }))
  writeFileSync(join(project, 'user.ts'), program)
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '--project', project]).catch(
    (error: { stdout: string }) => error,
  )
  t.is(stdout, '')
})

test('the declarations leave out what is marked as internal', t => {
  const lib = join(root, 'lib')
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.d.cts'),
  )
  t.true(files.length > 10)
  for (const file of files) t.false(readFileSync(join(lib, file), 'utf8').includes('@internal'), file)
})

test('every file that the declarations import is there', t => {
  const lib = join(root, 'lib')
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter(name =>
    /\.d\.c?ts$/.test(name),
  )
  for (const file of files)
    for (const [, specifier] of readFileSync(join(lib, file), 'utf8').matchAll(
      /(?:from |\()['"](\.[^'"]*)['"]/g,
    ))
      t.true(
        existsSync(join(lib, file, '..', specifier!.replace(/\.cjs$/, '.d.cts'))),
        `${file}: ${specifier}`,
      )
})
