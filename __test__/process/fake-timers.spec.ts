import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { connect, FramedSocket, listen } from '../../index.js'
import { withFakeTimers } from '../helpers/fake-timers.js'
import { once, places } from '../helpers/sockets.js'

test.serial('under fake timers sockets connect, carry bytes, time out, end and close', async t => {
  const path = places.path(t)
  await withFakeTimers(async () => {
    const listener = await listen(path, { backlog: 511 })
    const clients = await Promise.all(Array.from({ length: 200 }, () => connect(path, { busyPoll: 100 })))
    for (const client of clients) {
      const accepted = await listener.accept()
      accepted.end('hello')
      t.is(String(await once(client, 'data')), 'hello')
      client.end()
      await once(client, 'close')
    }
    const client = await connect(path)
    const timeout = once(client, 'timeout')
    client.setTimeout(10)
    await timeout
    client.destroy()
    await once(client, 'close')
    await listener.close()
  })
  t.pass()
})

test.serial('under fake timers messages arrive', async t => {
  const path = places.path(t)
  await withFakeTimers(async () => {
    const listener = await listen(path, { backlog: 511 })
    const [client, server] = await Promise.all([connect(path), listener.accept()])
    const [sender, receiver] = [new FramedSocket(client), new FramedSocket(server)]
    sender.send(Buffer.from('hello'))
    t.is(String(await once(receiver, 'message')), 'hello')
    sender.end()
    receiver.end()
    await once(receiver, 'close')
    await listener.close()
  })
})

const source = fileURLToPath(new URL('../../src', import.meta.url))
const timers = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'setImmediate',
  'clearImmediate',
  'queueMicrotask',
]

/** Globals of time that a source file uses, though fake timers replace them. */
function globalsOf(text: string): string[] {
  const code = text.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, '')
  const imported = /import \{([^}]*)\} from '[./a-z]*scheduling\.js'/.exec(code)?.[1]?.split(/[\s,]+/) ?? []
  const withoutMethods = code.replaceAll(/^\s*(?:override )?\w+\(.*\): \w+ \{$/gm, '')
  const used = timers.filter(
    name => !imported.includes(name) && new RegExp(`(?<![.\\w#'])${name}\\b`).test(withoutMethods),
  )
  const members = ['process.nextTick', 'performance.', 'Date.now', 'globalThis.set'].filter(name =>
    code.includes(name),
  )
  return [...used, ...members]
}

const testOfSources = existsSync(source) ? test : test.skip

testOfSources('no source file but one uses timers, ticks or the clock of the globals', t => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
    file => file.endsWith('.ts') && !file.endsWith('scheduling.ts'),
  )
  t.true(files.length > 20)
  const found = files.map(file => [file, globalsOf(readFileSync(join(source, file), 'utf8'))] as const)
  t.deepEqual(
    found.filter(([, names]) => names.length > 0),
    [],
  )
  t.deepEqual(globalsOf('function wait() { setTimeout(() => {}); process.nextTick(() => {}) }'), [
    'setTimeout',
    'process.nextTick',
  ])
})
