import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import * as dgram from '../../dgram.js'
import * as http from '../../http.js'
import * as own from '../../index.js'
import net, * as netNames from '../../net.js'
import { directory } from '../helpers/sockets.js'
import { isNode } from '../helpers/runtimes.js'

const require = createRequire(import.meta.url)
const imported: Record<string, object> = {
  udsock: own,
  'udsock/net': netNames,
  'udsock/http': http,
  'udsock/dgram': dgram,
}

for (const [name, names] of Object.entries(imported))
  test(`require and import of ${name} give the same exports`, t => {
    const required = require(name) as Record<string, unknown>
    t.deepEqual(Object.keys(required).toSorted(), Object.keys(names).toSorted())
    for (const [key, value] of Object.entries(names)) t.is(required[key], value, key)
  })

const onNode = isNode ? test : test.skip

onNode('an import resolves to the same file under every condition', async t => {
  const program = `console.log(JSON.stringify(process.argv.slice(1).map(name => import.meta.resolve(name))))`
  const evaluate = ['--input-type=module', '--eval', program, ...Object.keys(imported)]
  const resolved = async (...conditions: string[]): Promise<unknown> => {
    const options = conditions.map(condition => `--conditions=${condition}`)
    const { stdout } = await promisify(execFile)(process.execPath, [...options, ...evaluate])
    return JSON.parse(stdout)
  }
  t.deepEqual(
    await resolved('module', 'bun', 'deno', 'browser', 'development', 'production'),
    await resolved(),
  )
})

test('an export keeps its name in the bundle', t => {
  const functions = Object.entries({ ...own, ...net, ...http }).filter(
    ([key, value]) => typeof value === 'function' && !key.startsWith('_'),
  )
  t.true(functions.length > 15)
  // In node:net these are further names of `connect` and `Socket`.
  const aliases = new Set(['createConnection', 'Stream'])
  for (const [key, value] of functions) if (!aliases.has(key)) t.is((value as { name: string }).name, key)
})

/** The number of event polls in this process: each reactor has one of its own. */
function eventPolls(): number {
  const links = readdirSync('/proc/self/fd').map(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      // The descriptor that read the folder is closed by now.
      return ''
    }
  })
  return links.filter(link => link === 'anon_inode:[eventpoll]').length
}

const onLinuxNode = isNode && process.platform === 'linux' ? test.serial : test.serial.skip

onLinuxNode('what was required and what was imported share one engine', async t => {
  const { connect } = require('udsock') as typeof own
  const path = join(directory(t), 's')
  await using listener = await own.listen(path)
  const [client, server] = await Promise.all([connect(path), listener.accept()])
  t.teardown(() => [client, server].forEach(socket => socket.destroy()))
  t.true(client instanceof own.UnixSocket)
  const before = eventPolls()
  const other = (require('udsock/net') as typeof net).connect(path)
  t.teardown(() => other.destroy())
  const accepted = await listener.accept()
  t.teardown(() => accepted.destroy())
  t.is(eventPolls(), before)
})

onNode('importing the package loads none of the modules of Node that cost milliseconds', async t => {
  const home = require.resolve('udsock')
  const program = `require(${JSON.stringify(home)})
    const slow = ['http', 'https', 'http2', 'net', 'perf_hooks', 'tls', 'worker_threads']
    const loaded = process.moduleLoadList.map(name => /^NativeModule (?:node:)?(.*)/.exec(name)?.[1])
    console.log(slow.filter(name => loaded.includes(name)).join())`
  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program])
  t.is(stdout, '\n')
})

for (const name of Object.keys(imported))
  onNode(`importing ${name} does not load the code that only calls need, and a call does`, async t => {
    const program = `
      const loaded = () => Object.keys(require.cache).some(file => /[/]late-[^/]*[.]cjs$/.test(file))
      require(${JSON.stringify(require.resolve(name))})
      const before = loaded()
      const { listen } = require(${JSON.stringify(require.resolve('udsock'))})
      listen(1).catch(({ code }) => console.log(before, loaded(), code))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program])
    t.is(stdout, 'false true ERR_INVALID_ARG_TYPE\n')
  })
