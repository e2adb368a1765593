import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { bindDatagram } from '../../index.js'
import { printed, projectWithExamples, runIn, starting } from '../helpers/project.js'
import { eventually } from '../helpers/sockets.js'

/** What each example that runs by itself prints. */
const outputs: Record<string, string> = {
  'backpressure.js': 'received 1000 chunks, held less than 1 MiB: true\nERR_BACKPRESSURE_LIMIT\n',
  'big-file.js': 'the file arrived\n',
  'group.js': 'a member\n',
  'http.js': 'you asked for /answers\n',
  'json-lines.js': '3\n7\n',
  'datagrams.js': '5 bytes\n0 bytes\n1000 bytes\n',
  'listening-child.js': 'answered by the first child\nanswered by the second child\n',
  'packets.js': '5 bytes\n0 bytes\nmore than 100 bytes\n',
  'reconnecting-client.js': 'the first server\nthe second server\n',
  'request-response.js': '3\nthere is no method unknown\nafter 50 ms\n',
  'statsd.js': 'requests:1|c\nbytes:512|c\n0 dropped\n',
  'timeouts.js': 'ETIMEDOUT\nAbortError\nthe client is silent\nthe conversation is too long\n',
  'wait-for-server.js': 'here I am\n',
}

for (const [name, output] of Object.entries(outputs))
  test(`the example ${name} runs`, async t => {
    t.timeout(60_000)
    const { stdout, stderr } = await runIn(projectWithExamples(t), `examples/${name}`)
    t.deepEqual([stdout, stderr], [output, ''])
  })

test('the example syslog.js writes to the socket of a log', async t => {
  const home = projectWithExamples(t)
  const path = join(home, 'log')
  const server = await bindDatagram(path)
  t.teardown(() => server.destroy())
  const lines: string[] = []
  server.on('message', message => lines.push(String(message).replace(/\[\d+\]/, '[pid]')))
  t.is(await printed(home, 'examples/syslog.js', path), '')
  await eventually('both lines arrive', () => lines.length === 2)
  t.deepEqual(lines, ['<14>example[pid]: it runs', '<11>example[pid]: nothing went wrong'])
})

const onLinux = process.platform === 'linux' ? test : test.skip

onLinux('the example private.js runs', async t => {
  const output = await printed(projectWithExamples(t), 'examples/private.js', `udsock-test-${process.pid}`)
  t.is(output, `hello, user ${process.geteuid!()}\n0 refused\n`)
})

test('the echo server and client of the examples run', async t => {
  t.timeout(60_000)
  const home = projectWithExamples(t)
  const server = starting(t, home, 'examples/echo-server.js')
  await eventually('the server listens', () => server.output().includes('listening'))
  t.is(await printed(home, 'examples/echo-client.js', 'echo.sock', 'to and fro'), 'to and fro\n')
  await eventually('the server reports its client', () => server.output().includes('connected'))
  t.regex(server.output(), /^listening on echo\.sock\nuser \d+, process \d+ connected\n$/)
})

test('the daemon of the examples answers, and ends by itself on SIGTERM', async t => {
  t.timeout(60_000)
  const home = projectWithExamples(t)
  const daemon = starting(t, home, 'examples/daemon.js')
  const exited = once(daemon.child, 'exit')
  await eventually('it listens', () => daemon.output().includes('listening'))
  t.is(statSync(join(home, 'daemon.sock')).mode & 0o777, 0o600)
  t.is(await printed(home, 'examples/ask.js', 'daemon.sock', 'to and fro'), 'you said to and fro\n')
  // Not the child's kill(): after it Deno always reports that the signal ended the child.
  process.kill(daemon.child.pid!, 'SIGTERM')
  t.deepEqual(await exited, [0, null])
  t.is(daemon.output(), 'listening on daemon.sock\nno more will come\n')
  t.false(existsSync(join(home, 'daemon.sock')))
})

test('the second server of the example restart.js takes over, and the first one ends by itself', async t => {
  t.timeout(60_000)
  const home = projectWithExamples(t)
  const start = async () => {
    const server = starting(t, home, 'examples/restart.js')
    await eventually('it listens', () => server.output().includes('listening\n'))
    return server
  }
  const ask = () => printed(home, 'examples/echo-client.js', 'restart.sock', 'who?')
  const first = await start()
  const exited = once(first.child, 'exit')
  t.is(await ask(), `process ${first.child.pid}\n`)
  const second = await start()
  t.is(await ask(), `process ${second.child.pid}\n`)
  t.deepEqual(await exited, [0, null])
  t.is(first.output(), 'listening\nanother process has taken over\ndone\n')
  t.is(await ask(), `process ${second.child.pid}\n`)
})
