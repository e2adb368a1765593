import test from 'ava'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { connect, listen, type ListenOptions } from '../../index.js'
import { descriptors, directory, eventually, once, places } from '../helpers/sockets.js'
import { Program, runs, start } from '../helpers/program.js'
import { isDeno } from '../helpers/runtimes.js'

const everyWay = ['error', 'replaceStale', 'takeOver'] as const
const hasPython = runs('python3', '--version')
const withPython = hasPython ? test : test.skip

/** A socket file without a listener. */
async function stale(path: string): Promise<void> {
  const listener = await listen(path)
  await listener.close()
}

for (const onExisting of everyWay) {
  test(`a stale file and onExisting '${onExisting}'`, async t => {
    const path = places.path(t)
    await stale(path)
    if (onExisting === 'error') {
      await t.throwsAsync(listen(path, { onExisting }), { code: 'EADDRINUSE', message: /options.onExisting/ })
    } else {
      const listener = await listen(path, { onExisting })
      ;(await connect(path)).destroy()
      await listener.close()
    }
    t.deepEqual(readdirSync(dirname(path)), ['s'])
  })

  withPython(`what is no stream socket is refused by '${onExisting}' and left as it is`, async t => {
    t.timeout(30_000)
    const home = directory(t)
    const live = await listen(`${home}/live`)
    await stale(`${home}/dead`)
    writeFileSync(`${home}/file`, 'text')
    mkdirSync(`${home}/directory`)
    const links = { link: 'file', dangling: 'nowhere', 'to-live': 'live', 'to-dead': 'dead' }
    for (const [name, target] of Object.entries(links)) symlinkSync(target, `${home}/${name}`)
    execFileSync('python3', ['-c', 'import os, sys; os.mkfifo(sys.argv[1])', `${home}/fifo`])
    const code = `
import socket, sys
sockets = [socket.socket(socket.AF_UNIX, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET)]
for own, path in zip(sockets, sys.argv[1:]): own.bind(path)
sockets[1].listen(4)
print("bound", flush=True)
sys.stdin.read()
sockets[0].setblocking(False)
try: print("received", sockets[0].recv(100))
except BlockingIOError: print("received nothing")
`
    const python = new Program(t, 'python3', ['-c', code, `${home}/datagrams`, `${home}/packets`])
    await python.prints('bound')
    const look = (): unknown[] =>
      readdirSync(home).map(name => {
        const { ino, mode, size, mtimeMs, ctimeMs, nlink } = lstatSync(`${home}/${name}`)
        return [name, ino, mode, size, mtimeMs, ctimeMs, nlink]
      })
    const before = look()
    const refused = [...Object.keys(links), 'file', 'directory', 'fifo', 'datagrams', 'packets']
    for (const name of refused)
      await t.throwsAsync(listen(`${home}/${name}`, { onExisting }), { code: 'EADDRINUSE' }, name)
    t.deepEqual(look(), before)
    t.is(readFileSync(`${home}/file`, 'utf8'), 'text')
    t.is(readlinkSync(`${home}/dangling`), 'nowhere')
    python.stdin.end()
    t.regex((await python.ended).output, /received nothing/)
    await live.close()
  })
}

test('a live listener with a full backlog is not taken for stale', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const live = await listen(path, { backlog: 1 })
  const before = lstatSync(path).ino
  const clients = await Promise.all([connect(path), connect(path)])
  await t.throwsAsync(connect(path, { timeout: 0 }), { code: 'ETIMEDOUT' })
  for (let round = 0; round < 100; round++)
    await t.throwsAsync(listen(path, { onExisting: 'replaceStale' }), {
      code: 'EADDRINUSE',
      message: /a server listens there/,
    })
  t.is(lstatSync(path).ino, before)
  for (const client of clients) client.destroy()
  await live.close()
})

withPython('a directory that another process keeps locked is named by the error', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const code =
    'import fcntl, os, sys; fd = os.open(sys.argv[1], os.O_RDONLY); fcntl.flock(fd, fcntl.LOCK_EX); print("locked", flush=True); sys.stdin.read()'
  const python = new Program(t, 'python3', ['-c', code, dirname(path)])
  await python.prints('locked')
  const controller = new AbortController()
  const aborted = listen(path, { onExisting: 'takeOver', signal: controller.signal })
  setTimeout(() => controller.abort(), 50)
  await t.throwsAsync(aborted, { code: 'ABORT_ERR' })
  await t.throwsAsync(listen(path, { onExisting: 'replaceStale' }), {
    code: 'ETIMEDOUT',
    message: new RegExp(`the directory ${dirname(path)} locked`),
  })
  t.deepEqual(readdirSync(dirname(path)), [])
  // The default needs no lock.
  const listener = await listen(path)
  await listener.close()
  python.stdin.end()
  await python.ended
  await (await listen(path, { onExisting: 'replaceStale', unlinkOnClose: true })).close()
})

test('the file goes on close when that is wished, and stays otherwise', async t => {
  for (const unlinkOnClose of [true, false, undefined]) {
    const path = places.path(t)
    const listener = await listen(path, { unlinkOnClose })
    let closes = 0
    listener.on('close', () => closes++)
    const first = listener.close()
    t.true(listener.closed)
    await t.throwsAsync(listener.accept(), { code: 'ERR_LISTENER_CLOSED' })
    await Promise.all([first, listener.close()])
    t.is(existsSync(path), unlinkOnClose !== true)
    await eventually("'close' is emitted", () => closes > 0)
    t.is(closes, 1)
  }
})

test('the file of another is left alone on close', async t => {
  const path = places.path(t)
  const listener = await listen(path, { unlinkOnClose: true })
  unlinkSync(path)
  writeFileSync(path, 'text')
  await listener.close()
  t.is(readFileSync(path, 'utf8'), 'text')
})

test('an iteration that is left, and a dispose, remove the file, too', async t => {
  const path = places.path(t)
  for (const leave of [
    async (options: ListenOptions) => {
      const listener = await listen(path, options)
      ;(await connect(path)).destroy()
      for await (const socket of listener) {
        socket.destroy()
        break
      }
    },
    async (options: ListenOptions) => {
      const listener = await listen(path, options)
      await listener[Symbol.asyncDispose]()
    },
  ]) {
    await leave({ unlinkOnClose: true })
    t.false(existsSync(path))
  }
})

test('a process that ends by itself, or exits, removes the file; one that is killed cannot', async t => {
  t.timeout(60_000)
  const ends: [string, (owner: Program) => void][] = [
    ['exit', owner => owner.stdin.write('exit\n')],
    ['kill', owner => owner.kill('SIGKILL')],
  ]
  for (const [how, end] of ends) {
    const path = places.path(t)
    const owner = start(t, 'owner.js')
    owner.stdin.write(`listen ${path} {"unlinkOnClose":true}\n`)
    await owner.prints('listening')
    end(owner)
    await owner.ended
    t.is(existsSync(path), how === 'kill', how)
  }
})

test('a worker that is terminated removes the file', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.entry).then(async ({ listen }) => {
      globalThis.listener = await listen(workerData.path, { unlinkOnClose: true })
      parentPort.postMessage('listening')
    })
  `
  const entry = new URL('../../index.js', import.meta.url).href
  const worker = new Worker(code, { eval: true, workerData: { entry, path } })
  await once(worker, 'message')
  t.true(existsSync(path))
  await worker.terminate()
  // It resolves before the worker's clean-up has run.
  if (isDeno) await eventually('the clean-up', () => !existsSync(path))
  t.false(existsSync(path))
})

test.serial('an abort during the bind leaves nothing, and spares files of other processes', async t => {
  t.timeout(60_000)
  const path = places.path(t)
  await stale(path)
  unlinkSync(path)
  const before = descriptors()
  for (const onExisting of everyWay) {
    for (let round = 0; round < 100; round++) {
      const controller = new AbortController()
      const listener = listen(path, { onExisting, signal: controller.signal })
      if (round % 4 === 0) controller.abort()
      else if (round % 4 === 1) setImmediate(() => controller.abort())
      else setTimeout(() => controller.abort(), round % 4 === 2 ? 0 : 1)
      try {
        await (await listener).close()
        unlinkSync(path)
      } catch (error) {
        t.is((error as NodeJS.ErrnoException).code, 'ABORT_ERR')
      }
      t.deepEqual(readdirSync(dirname(path)), [])
    }
  }
  await eventually('as many descriptors as before', () => descriptors() <= before)
  // Whoever has the path keeps it.
  const owner = await listen(path)
  const inode = lstatSync(path).ino
  for (let round = 0; round < 20; round++) {
    const controller = new AbortController()
    const rival = listen(path, { signal: controller.signal })
    setImmediate(() => controller.abort())
    await t.throwsAsync(rival)
    t.is(lstatSync(path).ino, inode)
  }
  await owner.close()
})

const withRoot = process.geteuid?.() === 0 ? test : test.skip
if (process.geteuid?.() !== 0) console.log("# another user's socket: skipped, this needs root")

withRoot("another user's socket is never replaced, live or stale", async t => {
  const path = places.path(t)
  for (const isLive of [true, false]) {
    const listener = await listen(path)
    execFileSync('chown', ['1234', path])
    if (!isLive) await listener.close()
    const before = lstatSync(path)
    for (const onExisting of ['replaceStale', 'takeOver'] as const)
      await t.throwsAsync(listen(path, { onExisting }), { code: 'EADDRINUSE', message: /process's user/ })
    t.is(lstatSync(path).ino, before.ino)
    if (isLive) await listener.close()
    unlinkSync(path)
  }
})
