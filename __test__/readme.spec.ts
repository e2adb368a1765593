import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { directory, eventually } from './helpers.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)

/** A directory in which `import 'udsock'` finds this package. */
function project(t: ExecutionContext): string {
  const home = directory(t)
  mkdirSync(join(home, 'node_modules'))
  symlinkSync(root, join(home, 'node_modules', 'udsock'))
  writeFileSync(join(home, 'package.json'), '{ "type": "module" }')
  return home
}

/** Runs the server, and the client once the server's file is there; both outputs. */
async function converse(
  t: ExecutionContext,
  home: string,
  server: string,
  client: string[],
): Promise<string[]> {
  const serving = spawn(process.execPath, [server], { cwd: home, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => serving.kill('SIGKILL'))
  let said = ''
  serving.stdout.on('data', chunk => (said += chunk))
  for (let tries = 0; ; tries++) {
    try {
      const { stdout } = await run(process.execPath, client, { cwd: home })
      await eventually('the server says who connected', () => said.includes('connected'))
      return [said, stdout]
    } catch (error) {
      if (tries === 200 || !String(error).includes('ENOENT')) throw error
    }
  }
}

test('the programs in the README run as they stand', async t => {
  t.timeout(60_000)
  const home = project(t)
  const blocks = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```js\n(.*?)```/gs)].map(
    match => match[1]!,
  )
  t.is(blocks.length, 4)
  writeFileSync(join(home, 'server.mjs'), blocks[0]!)
  writeFileSync(join(home, 'client.mjs'), blocks[1]!)
  const [server, client] = await converse(t, home, 'server.mjs', ['client.mjs'])
  t.is(server, `user ${process.getuid!()} connected\n`)
  t.is(client, 'hello\n')
  writeFileSync(join(home, 'messages.mjs'), blocks[2]!)
  const { stdout } = await run(process.execPath, ['messages.mjs'], { cwd: home })
  t.is(stdout, 'got one\ngot two\n')
  if (process.platform !== 'linux') return
  writeFileSync(join(home, 'abstract.mjs'), blocks[3]!)
  t.is(
    (await run(process.execPath, ['abstract.mjs'], { cwd: home })).stdout,
    `hello, user ${process.geteuid!()}\n`,
  )
})

test('the examples run', async t => {
  t.timeout(60_000)
  const home = project(t)
  cpSync(join(root, 'examples'), join(home, 'examples'), { recursive: true })
  const client = ['examples/echo-client.js', 'echo.sock', 'to and fro']
  const [server, answer] = await converse(t, home, 'examples/echo-server.js', client)
  t.regex(server!, /^listening on echo\.sock\nuser \d+, process \d+ connected\n$/)
  t.is(answer, 'to and fro\n')
  const { stdout } = await run(process.execPath, ['examples/http.js'], { cwd: home })
  t.is(stdout, 'you asked for /answers\n')
  if (process.platform !== 'linux') return
  const name = `udsock-test-${process.pid}`
  const { stdout: greeting } = await run(process.execPath, ['examples/private.js', name], { cwd: home })
  t.is(greeting, `hello, user ${process.geteuid!()}\n0 refused\n`)
})

test('the daemon of the examples answers, and ends by itself on SIGTERM', async t => {
  t.timeout(60_000)
  const home = project(t)
  cpSync(join(root, 'examples'), join(home, 'examples'), { recursive: true })
  const daemon = spawn(process.execPath, ['examples/daemon.js'], {
    cwd: home,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => daemon.kill('SIGKILL'))
  const exited = once(daemon, 'exit')
  let said = ''
  daemon.stdout.on('data', chunk => (said += chunk))
  await eventually('it listens', () => said.includes('listening'))
  t.is(statSync(join(home, 'daemon.sock')).mode & 0o777, 0o600)
  const { stdout } = await run(process.execPath, ['examples/ask.js', 'daemon.sock', 'to and fro'], {
    cwd: home,
  })
  t.is(stdout, 'you said to and fro\n')
  // Not the child's kill(), after which Deno says that the signal ended it, whatever did.
  process.kill(daemon.pid!, 'SIGTERM')
  t.deepEqual(await exited, [0, null])
  t.is(said, 'listening on daemon.sock\nno more will come\n')
  t.false(existsSync(join(home, 'daemon.sock')))
})

test('the package can be required', async t => {
  const home = project(t)
  const program = `
    const { isSupported } = require('udsock')
    const { createServer, Socket } = require('udsock/net')
    console.log(isSupported, createServer().listening, new Socket().connecting)`
  const { stdout, stderr } = await run(process.execPath, ['-e', program], { cwd: home })
  t.is(stdout, 'true false false\n')
  t.is(stderr, '')
})
