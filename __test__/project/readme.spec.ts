import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect as connectNet } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { printed, project, root, runIn, starting } from '../helpers/project.js'
import { eventually } from '../helpers/sockets.js'

/** The programs of the README: an echo server and its client, messages, HTTP. */
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const [echoServer, echoClient, messages, http, ...others] = [...readme.matchAll(/```js\n(.*?)```/gs)].map(
  match => match[1]!,
)

/** Makes a project with the echo server and its client, and starts the server. */
async function echoing(t: ExecutionContext) {
  const home = project(t)
  writeFileSync(join(home, 'server.mjs'), echoServer!)
  writeFileSync(join(home, 'client.mjs'), echoClient!)
  const startServer = async () => {
    const server = starting(t, home, 'server.mjs')
    await eventually('the server listens', () => server.output().includes('listening on echo.sock\n'))
    return server
  }
  const runClient = () => printed(home, 'client.mjs')
  return { home, server: await startServer(), startServer, runClient }
}

test('the README is short, and begins with the installation', t => {
  t.true(Buffer.byteLength(readme) <= 12_000)
  t.is(/```(.*?)```/s.exec(readme)![1], '\nnpm install udsock\n')
  t.deepEqual(others, [])
})

test('the echo server of the README survives rude clients', async t => {
  t.timeout(60_000)
  const { home, server, runClient } = await echoing(t)
  t.is(await runClient(), 'hello\n')
  t.regex(
    server.output(),
    new RegExp(`^listening on echo.sock\nuser ${process.getuid!()}, process .* connected\n$`),
  )
  for (let i = 0; i < 3; i++) {
    const rude = connectNet(join(home, 'echo.sock'))
    rude.on('error', () => {})
    // More than the kernel takes: the server has bytes in both directions when the client goes away.
    rude.write(Buffer.alloc(4 * 1024 * 1024))
    await once(rude, 'data')
    rude.destroy()
  }
  t.is(await runClient(), 'hello\n')
  const exited = once(server.child, 'exit')
  // Not the child's kill(): after it Deno always reports that the signal ended the child.
  process.kill(server.child.pid!, 'SIGTERM')
  t.deepEqual(await exited, [0, null])
  t.false(existsSync(join(home, 'echo.sock')))
})

test('a second start of the echo server of the README fails, and works after a crash', async t => {
  t.timeout(60_000)
  const { home, server, startServer, runClient } = await echoing(t)
  const second = await t.throwsAsync<Error & { stderr: string }>(printed(home, 'server.mjs'))
  t.regex(second.stderr, /EADDRINUSE/)
  t.is(await runClient(), 'hello\n')
  const exited = once(server.child, 'exit')
  process.kill(server.child.pid!, 'SIGKILL')
  await exited
  const failed = await t.throwsAsync<Error & { stderr: string }>(runClient())
  t.regex(failed.stderr, /ECONNREFUSED/)
  await startServer()
  t.is(await runClient(), 'hello\n')
})

test('the messages of the README arrive', async t => {
  const home = project(t)
  writeFileSync(join(home, 'messages.mjs'), messages!)
  t.is(await printed(home, 'messages.mjs'), 'got one\ngot two\n')
})

test('the HTTP server of the README answers, and ends by itself on SIGTERM', async t => {
  const home = project(t)
  writeFileSync(join(home, 'http.mjs'), http!)
  const { child, output } = starting(t, home, 'http.mjs')
  const exited = once(child, 'exit')
  await eventually('it answers', () => output() === 'hello\n')
  process.kill(child.pid!, 'SIGTERM')
  t.deepEqual(await exited, [0, null])
})

test('the package can be required', async t => {
  const home = project(t)
  const program = `
    const { isSupported } = require('udsock')
    const { createServer, Socket } = require('udsock/net')
    console.log(isSupported, createServer().listening, new Socket().connecting)`
  t.deepEqual(await runIn(home, '-e', program), { stdout: 'true false false\n', stderr: '' })
})
